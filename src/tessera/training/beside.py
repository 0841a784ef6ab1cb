"""A thread that decodes and judges pictures while the process draws others.

torch lets go of Python's lock inside its operations, and so does whoever waits for a reward at the other end
of a network. On a CPU the thread needs cores that drawing leaves idle: two teams of threads on the same cores
are slower than one after the other. On a GPU it has a stream of its own.
"""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial
from typing import Any

import torch

from tessera.algorithms.base import Beside, Made
from tessera.pool import cores


class Thread(Beside):
    """One thread, which lives as long as whoever holds this."""

    def __init__(self, device: torch.device) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="beside")
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None
        self._last: Future[Any] | None = None

    def start(self, work: Callable[[], Made]) -> Callable[[], Made]:
        """Begins the work behind what was begun before; returns what waits for its result."""
        if self._stream is not None:
            drawn = torch.cuda.Event()
            drawn.record(torch.cuda.current_stream(self._stream.device))
            work = partial(_on_stream, self._stream, drawn, work)
        self._last = future = self._pool.submit(work)
        return future.result

    def wait(self) -> None:
        """Returns when the thread has nothing to do; what it raised is for whoever waits for the result."""
        if self._last is not None:
            wait([self._last])
            self._last = None


def _on_stream(stream: torch.cuda.Stream, drawn: torch.cuda.Event, work: Callable[[], Made]) -> Made:
    """Returns the work of a GPU, done on the stream once what it starts from is there, and finished."""
    with torch.cuda.stream(stream):
        stream.wait_event(drawn)
        made = work()
    stream.synchronize()
    return made


def pays(device: torch.device, processes: int) -> bool:
    """Returns whether a thread beside the drawing is known to save time: where cores would be idle."""
    if device.type != "cpu":
        return False  # not measured, and decoding would need its memory beside that of drawing
    return 2 * torch.get_num_threads() * processes <= cores()
