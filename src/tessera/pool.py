"""One piece of work in many items, over the processes of this machine. No torch here.

Each process opens for itself what the work needs (a policy, a grader), once; items go to whoever is free, so
results come as they are finished. Whoever asked is the only one to write files. Processes end with the one
that started them: a kill leaves nobody at work.
"""

import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from tessera.errors import UserError

ItemT = TypeVar("ItemT")
StateT = TypeVar("StateT")
ResultT = TypeVar("ResultT")

WAITING = 2  # items handed out beyond those at work: nobody waits for the next one, and memory stays bounded

_open: dict[str, Any] = {}  # of a process of the pool: what it opened, and what it does with it


def cores() -> int:
    """Returns how many cores this process may use, which can be fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def spread(
    items: Sequence[ItemT],
    opened: Callable[[int], StateT],
    work: Callable[[StateT, ItemT], ResultT],
    processes: int,
) -> Iterator[tuple[ItemT, ResultT]]:
    """Yields every item with what `work` makes of it, in any order; in this process if one is enough.

    `opened` gets the number of its process, counted from 0. With several processes both functions, items and
    results go between them: functions are named in modules, the rest is plain data.
    """
    if processes < 2 or len(items) < 2:
        state = opened(0) if items else None
        for item in items:
            yield item, work(state, item)  # pyright: ignore[reportArgumentType] - not None where there are items
        return
    context = multiprocessing.get_context("spawn")  # a fork would copy threads and an initialised GPU
    numbers = context.SimpleQueue()
    count = min(processes, len(items))
    for number in range(count):
        numbers.put(number)
    pool = ProcessPoolExecutor(
        count, context, initializer=_begin, initargs=(opened, work, numbers, os.getpid())
    )
    left = iter(items)
    at_work: dict[Future[Any], ItemT] = {}
    try:
        for _, item in zip(range(count * WAITING), left, strict=False):  # so that none is taken and lost
            at_work[pool.submit(_one, item)] = item
        while at_work:
            finished, _ = wait(at_work, return_when=FIRST_COMPLETED)
            for future in finished:
                done = at_work.pop(future)
                result = future.result()
                for item in left:
                    at_work[pool.submit(_one, item)] = item
                    break
                yield done, result
    except BrokenProcessPool as error:
        raise UserError(
            "a process of the pool ended before its work was done; its own message is above. If there is "
            "none, memory ran out: use fewer --processes"
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def leave_with(parent: int) -> None:
    """Ends this process when the one that started it has gone: a kill must not leave orphans at work."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _begin(opened: Callable[[int], Any], work: Callable[[Any, Any], Any], numbers: Any, parent: int) -> None:
    leave_with(parent)
    _open["state"], _open["work"] = opened(numbers.get()), work


def _one(item: Any) -> Any:
    return _open["work"](_open["state"], item)
