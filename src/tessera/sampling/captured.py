"""The sampler's steps recorded once and replayed, so that a GPU never waits for Python.

A step of a language model is hundreds of small kernels, and Python takes longer to ask for them than a GPU to
run them, until a batch is large. So a step is recorded as a CUDA graph, and the loop over T tokens is T calls
of `replay` (`loop.py` says what a step is, and when a recording still holds).

Where there is no CUDA device, or the policy has no `FixedStep`, `decode_rows` draws; both give the same.

Recorded loops are kept from batch to batch, each with a cache of its own. Between batches there is training,
which needs that memory: so only small ones outlive a call of the sampler, and none its policy.

Axes: B rows (pictures), T tokens.
"""

import warnings
from collections.abc import Callable
from typing import cast
from weakref import WeakKeyDictionary

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor, nn

from tessera.protocols import FixedStep, Policy
from tessera.sampling.decode import checked, decode_rows
from tessera.sampling.loop import Loop, LoopKey, Recorder
from tessera.tensors import TextBatch
from tessera.types import View

# Loops that a policy keeps between calls of the sampler, and their share of the GPU's memory; our choice.
MOST_LOOPS = 4
KEPT_SHARE = 1 / 32


class GraphRecorder:
    """Records CUDA graphs that share one pool of memory: what one leaves there, another may overwrite."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)  # recording needs one that is not the default
        self._pool = torch.cuda.graph_pool_handle()

    def record(self, work: Callable[[], None]) -> Callable[[], object] | None:
        """Does the work once; returns what does the same again, or None, with a warning, if it cannot be.

        The work that is done warms up what a kernel needs at its first call; while the graph is recorded
        nothing runs (docs.pytorch.org/docs/stable/notes/cuda.html, CUDA graphs).
        """
        with torch.cuda.device(self._device):
            here = torch.cuda.current_stream()
            self._stream.wait_stream(here)
            with torch.cuda.stream(self._stream):
                work()
            here.wait_stream(self._stream)
            graph = torch.cuda.CUDAGraph()
            # A recording that fails does not leave its stream; the outermost context comes back in any case.
            # What other threads ask of the GPU meanwhile is not ours to forbid.
            inside = torch.cuda.graph(
                graph, pool=self._pool, stream=self._stream, capture_error_mode="thread_local"
            )
            try:
                with torch.cuda.stream(here), inside:
                    work()
            except RuntimeError as error:
                warnings.warn(
                    f"a step of the sampler could not be recorded as a CUDA graph ({error}); this process "
                    "draws without graphs, right but slower",
                    stacklevel=2,
                )
                return None
            return graph.replay


class Loops:
    """The recorded loops of every policy that has some.

    `room` says how many bytes those of a policy may have that are not in use.
    """

    def __init__(
        self, recorder: Callable[[torch.device], Recorder], room: Callable[[torch.device], int]
    ) -> None:
        self._recorder, self._room = recorder, room
        # Whether a recording has failed: what torch's allocator keeps of one that broke off is in the way of
        # the next (pytorch/pytorch#190308), so there is none.
        self.failed = False
        # The newest stands last. Not in the policy: a policy is copied and saved, and a recording cannot be.
        self._of: WeakKeyDictionary[nn.Module, dict[LoopKey, Loop]] = WeakKeyDictionary()

    def draw(
        self,
        policy: Policy,
        text_P: TextBatch,
        rows_B: Int[Tensor, " B"],
        uniform_BT: Float64[Tensor, "B T"],
        view: View,
    ) -> tuple[Int[Tensor, "B T"], Float[Tensor, "B T"]]:
        """Returns what `decode_rows` returns; the policy must have a fixed step."""
        module, variant = cast("nn.Module", policy), cast("FixedStep", policy).step_variant()
        assert variant is not None
        key = LoopKey(rows=len(rows_B), view=view, variant=variant, device=rows_B.device)
        loops = self._of.setdefault(module, {})
        loop = loops.pop(key, None)
        if loop is None or not loop.holds(policy):
            loop = None  # its memory is freed first, then that of others, then there is a new one
            self.release(policy, rows_B.device)
            while len(loops) >= MOST_LOOPS:
                del loops[next(iter(loops))]
            loop = Loop(policy, key, self._recorder(rows_B.device))
        drawn = checked(*loop.go_on(policy, loop.begin(policy, text_P, rows_B, uniform_BT)))
        # Only now: what went wrong may have left NaN in a cache, and no mask hides that.
        loops[key] = loop
        if loop.failed:
            self.failed = True
            self._of.clear()
        return drawn

    def release(self, policy: Policy, device: torch.device) -> None:
        """Forgets the largest of the policy's loops until the others fit into the room there is."""
        loops, room = self._of.get(cast("nn.Module", policy), {}), self._room(device)
        while sum(loop.nbytes for loop in loops.values()) > room:
            del loops[max(loops, key=lambda key: loops[key].nbytes)]

    def count(self, policy: Policy) -> int:
        """Returns how many loops of the policy are kept."""
        return len(self._of.get(cast("nn.Module", policy), {}))


def _room(device: torch.device) -> int:
    return round(KEPT_SHARE * torch.cuda.get_device_properties(device).total_memory)


_LOOPS = Loops(GraphRecorder, _room)


def can_capture(policy: Policy, device: torch.device) -> bool:
    """Returns whether steps are recorded here. Autocast is not: it keeps casts of weights between steps."""
    return (
        device.type == "cuda"
        and not torch.is_autocast_enabled(device.type)
        and isinstance(policy, nn.Module)
        and isinstance(policy, FixedStep)
        and policy.step_variant() is not None
    )


def sample_rows(
    policy: Policy,
    text_P: TextBatch,
    rows_B: Int[Tensor, " B"],
    uniform_BT: Float64[Tensor, "B T"],
    view: View,
) -> tuple[Int[Tensor, "B T"], Float[Tensor, "B T"]]:
    """Returns what `decode_rows` returns: by recorded steps where they can be, else by it."""
    if can_capture(policy, rows_B.device) and not _LOOPS.failed:
        return _LOOPS.draw(policy, text_P, rows_B, uniform_BT, view)
    return decode_rows(policy, text_P, rows_B, uniform_BT, view)


def release(policy: Policy, device: torch.device) -> None:
    """Gives back the memory of loops that are too large to be kept beside training."""
    if can_capture(policy, device):
        _LOOPS.release(policy, device)
