"""Drawing as work that can be recorded: all between a token and the next, on tensors that stay.

    token -> step -> guidance -> head -> distribution -> draw, at the place that `index` holds on the device

What is recorded (`captured.py`) is a list of kernels with the addresses they work on, nothing else. So

- a recording holds for steps of one shape (`FixedStep.step_shape`): attention goes over a bucket of the
  cache, of which a mask hides what is not there yet;
- whatever goes from step to step lies in tensors that stay, as do the cache and the weights. Training in
  place keeps the weights' addresses; once one of them lies elsewhere, the loop is of no use (`holds`).

Axes: B rows (pictures), T tokens, D features, R rows of all branches: B, or 2B with guidance.
"""

import weakref
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor, nn

from tessera.protocols import FixedStep, Policy
from tessera.sampling.decode import draw_column, fed, prefill_rows
from tessera.tensors import TextBatch
from tessera.types import View

# Steps of a shape in one picture from which on it is recorded: that costs as much as a few steps by hand.
RECORDED_FROM = 6
# Recorded shapes of a loop at most; the oldest goes. Their number grows with the logarithm of T.
MOST_SHAPES = 64


@runtime_checkable  # so that tests check arguments at run time
class Recorder(Protocol):
    """What makes a piece of work on tensors repeatable without the Python that asked for it."""

    def record(self, work: Callable[[], None]) -> Callable[[], object] | None:
        """Does the work once; returns what does the same again, or None where it cannot be recorded."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class LoopKey:
    """What a recording is made for, beside the weights."""

    rows: int  # B
    view: View
    variant: str  # of the policy's step
    device: torch.device


class Loop:
    """Drawing batches of one size under one view. It holds no policy: that is given with each batch."""

    def __init__(self, policy: Policy, key: LoopKey, recorder: Recorder) -> None:
        spec, self.key = policy.spec, key
        rows, device = key.rows * (2 if key.view.guided else 1), key.device
        shape = (key.rows, spec.tokens)
        self._cache = policy.new_cache(rows, spec.prefix + spec.tokens - 1)
        self._index = torch.zeros((), dtype=torch.long, device=device)  # of the last token drawn
        self._uniform_BT = torch.zeros(shape, dtype=torch.float64, device=device)
        self._tokens_BT = torch.zeros(shape, dtype=torch.long, device=device)
        self._logp_BT = torch.zeros(shape, dtype=torch.float32, device=device)
        self._recorder = recorder
        self._recorded: dict[tuple[int, ...], Callable[[], object] | None] = {}
        self._weights = [
            (weakref.ref(tensor.untyped_storage()), tensor.data_ptr()) for tensor in _weights(policy)
        ]
        it = policy.footprint
        self.nbytes = rows * it.layers * (spec.prefix + spec.tokens) * it.slot_bytes

    @property
    def failed(self) -> bool:
        """Whether something could not be recorded."""
        return None in self._recorded.values()

    def holds(self, policy: Policy) -> bool:
        """Returns whether the weights lie where they lay: else what was recorded reads something else."""
        now = list(_weights(policy))
        return len(now) == len(self._weights) and all(
            storage() is tensor.untyped_storage() and address == tensor.data_ptr()
            for tensor, (storage, address) in zip(now, self._weights, strict=True)
        )

    @torch.no_grad()
    def begin(
        self,
        policy: Policy,
        text_P: TextBatch,
        rows_B: Int[Tensor, " B"],
        uniform_BT: Float64[Tensor, "B T"],
    ) -> list[tuple[int, ...]]:
        """Reads the prompts and draws each first token; returns the shapes of the steps to come."""
        fixed = _fixed(policy)
        _, features = prefill_rows(policy, text_P, rows_B, self.key.view, self._cache)
        self._index.zero_()
        self._uniform_BT.copy_(uniform_BT)
        self._put(policy, features)
        return [fixed.step_shape(each, self._cache) for each in range(uniform_BT.shape[1] - 1)]

    @torch.no_grad()
    def go_on(
        self, policy: Policy, shapes: Sequence[tuple[int, ...]]
    ) -> tuple[Int[Tensor, "B T"], Float[Tensor, "B T"]]:
        """Does a step for each shape, by replay where it pays; returns what `draw_rows` returns.

        Once all shapes are recorded, nothing here waits for a GPU.
        """
        often = Counter(shapes)
        for shape in shapes:
            work = partial(self._advance, policy, shape)
            if shape not in self._recorded and often[shape] >= RECORDED_FROM and not self.failed:
                if len(self._recorded) == MOST_SHAPES:
                    del self._recorded[next(iter(self._recorded))]
                self._recorded[shape] = self._recorder.record(work)
            elif replay := self._recorded.get(shape):
                replay()
            else:
                work()
        return self._tokens_BT.clone(), self._logp_BT.clone()

    def _advance(self, policy: Policy, shape: tuple[int, ...]) -> None:
        """Feeds the last token and draws the next one."""
        tokens_B = fed(self._tokens_BT.index_select(1, self._index[None])[:, 0], self.key.view)
        features = _fixed(policy).fixed_step(tokens_B, self._index, self._cache, shape)
        self._index.add_(1)
        self._put(policy, features)

    def _put(self, policy: Policy, features: Float[Tensor, "R D"]) -> None:
        """Draws the token of this index and writes it down."""
        at_1 = self._index[None]
        uniform_B = self._uniform_BT.index_select(1, at_1)[:, 0]
        tokens_B, logp_B = draw_column(policy, features, uniform_B, self.key.view)
        self._tokens_BT.index_copy_(1, at_1, tokens_B[:, None])
        self._logp_BT.index_copy_(1, at_1, logp_B[:, None].to(self._logp_BT.dtype))


def _weights(policy: Policy) -> Iterator[Tensor]:
    """Yields all that a step may read and that outlives it."""
    assert isinstance(policy, nn.Module)  # as whoever makes a loop has seen to
    yield from policy.parameters()
    yield from policy.buffers()


def _fixed(policy: Policy) -> FixedStep:
    assert isinstance(policy, FixedStep)  # likewise
    return policy
