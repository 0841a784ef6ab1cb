"""What plugs in where: the contracts that the suites under `tests/contracts` hold every implementation to."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, Protocol, runtime_checkable

from jaxtyping import Float, Int, UInt8
from numpy import ndarray
from torch import Tensor
from torch.nn import Parameter

from tessera.tensors import Scores, TextBatch
from tessera.types import Footprint, Grade, PolicySpec, Prompt


@runtime_checkable  # so that tests check arguments at run time
class Cache(Protocol):
    """Keys and values of the tokens seen so far, of fixed size. Rows are pictures (or prompts)."""

    def fan_out(self, source: Any, rows_B: Int[Tensor, " B"], length: int) -> None:
        """Copies the first `length` positions of the source's chosen rows into this cache's rows."""
        ...


@runtime_checkable  # so that tests check arguments at run time
class Policy(Protocol):
    """An autoregressive image model.

    Features are what the head maps to logits; the head is affine, so guidance may mix features instead of
    logits: half the work where the codebook is large. A cache is the policy's own: it goes back only to the
    policy that made it (hence `Any`).
    """

    @property
    def spec(self) -> PolicySpec:
        """Its fixed sizes."""
        ...

    @property
    def footprint(self) -> Footprint:
        """What its memory depends on."""
        ...

    def recompute(self, on: bool) -> None:
        """Makes each layer's activations again in backward instead of keeping them, or no longer."""
        ...

    def tokenize(self, prompts: Sequence[str]) -> TextBatch:
        """Returns the prompts as ids; raises `PromptError` for what it cannot read."""
        ...

    def null_like(self, text: TextBatch) -> TextBatch:
        """Returns the null prompt of guidance for each row of the text."""
        ...

    def new_cache(self, rows: int, length: int) -> Cache:
        """Returns an empty cache of `length` positions."""
        ...

    def prefill(self, text: TextBatch, cache: Any) -> Float[Tensor, "B D"]:
        """Fills the cache with the text; returns the features that predict the first image token."""
        ...

    def step(self, tokens_B: Int[Tensor, " B"], index: int, cache: Any) -> Float[Tensor, "B D"]:
        """Appends image token number `index`; returns the features that predict the next one."""
        ...

    def features(self, text: TextBatch, tokens_BT: Int[Tensor, "B T"]) -> Float[Tensor, "B T D"]:
        """Returns the features that predict each image token, given all before it (teacher forcing)."""
        ...

    def head(self, features: Float[Tensor, "*N D"]) -> Float[Tensor, "*N V"]:
        """Returns logits; affine in the features."""
        ...

    def decode(self, tokens_BT: Int[Tensor, "B T"]) -> UInt8[ndarray, "B H W 3"]:
        """Returns the pictures of the tokens, converted to uint8 once."""
        ...

    def encode(self, images_BHWC: UInt8[ndarray, "B H W 3"]) -> Int[Tensor, "B T"]:
        """Returns the tokens of pictures."""
        ...

    def trainable(self) -> Iterator[tuple[str, Parameter]]:
        """Yields the names and parameters that training may move."""
        ...

    def digest(self) -> str:
        """Returns a hash of the weights: equal digests mean equal policies."""
        ...


@runtime_checkable  # so that tests check arguments at run time
class FixedStep(Protocol):
    """What a policy may have besides: a step that is recorded once and replayed, so no GPU waits for Python.

    Steps of one shape do the same to the same memory; which token it is, they read there. What has been
    recorded with one cache goes on with that cache, batch after batch.
    """

    def step_variant(self) -> str | None:
        """Returns what a step depends on beside weights, cache and shape; None: there is no such step now."""
        ...

    def step_shape(self, index: int, cache: Any) -> tuple[int, ...]:
        """Returns the sizes that step number `index` has; many steps share one shape."""
        ...

    def fixed_step(
        self, tokens_B: Int[Tensor, " B"], index: Int[Tensor, ""], cache: Any, shape: tuple[int, ...]
    ) -> Float[Tensor, "B D"]:
        """Does what `step` does for every index of the shape, and asks the host nothing."""
        ...


@runtime_checkable  # so that tests check arguments at run time
class Scorer(Protocol):
    """One measuring instrument: a raw number per picture, in its own unit. No row depends on another."""

    @property
    def name(self) -> str:
        """As in messages."""
        ...

    def score(self, prompts: Sequence[Prompt], images_BHWC: UInt8[ndarray, "B H W 3"]) -> Scores:
        """Returns a value per picture; NaN with a reason where there is none, never a default number."""
        ...

    def digest(self) -> str:
        """Returns a hash of what it measures and how: equal digests mean equal instruments."""
        ...


@runtime_checkable  # so that tests check arguments at run time
class Reward(Protocol):
    """What training sees of a picture: one number, higher is better. Groups do not depend on one another."""

    @property
    def name(self) -> str:
        """As in messages."""
        ...

    def score(self, prompts: Sequence[Prompt], images_BHWC: UInt8[ndarray, "B H W 3"], group: int) -> Scores:
        """Returns a value per picture, as a scorer does; pictures of a prompt lie side by side, `group` each.

        A reward may compare a picture with its group, and with nothing else.
        """
        ...

    def digest(self) -> str:
        """Returns a hash of what it measures and how: equal digests mean equal rewards."""
        ...


@runtime_checkable  # so that tests check arguments at run time
class Benchmark(Protocol):
    """Prompts and a grader for single pictures. Adding up is the same for all (`benchmarks.summary`)."""

    @property
    def name(self) -> str:
        """As on the command line."""
        ...

    @property
    def categories(self) -> tuple[str, ...]:
        """In the order of the tables."""
        ...

    @property
    def samples(self) -> int:
        """How many pictures of a prompt its published numbers are made of."""
        ...

    def prompts(self, per_category: int | None) -> list[Prompt]:
        """Returns the first so many prompts of each category (all, if it has fewer): always the same ones.

        None: as many as its published numbers are made of.
        """
        ...

    def grade(self, prompts: Sequence[Prompt], images_BHWC: UInt8[ndarray, "B H W 3"]) -> list[Grade]:
        """Returns a verdict on each picture; rows do not depend on one another."""
        ...


@runtime_checkable  # so that tests check arguments at run time
class Observed(Benchmark, Protocol):
    """A benchmark of the field: instruments look at pictures, then rules judge what was seen.

    What was seen is plain data that is kept, so that rules and thresholds can be applied again without a
    model. `grade` is the one after the other.
    """

    @property
    def evidence(self) -> str:
        """The name of the file that keeps what was seen."""
        ...

    def picture(self, prompt: Prompt, sample: int) -> PurePosixPath:
        """Returns where the official tool looks for a picture, below the benchmark's folder."""
        ...

    def observe(
        self, prompts: Sequence[Prompt], images_BHWC: UInt8[ndarray, "B H W 3"]
    ) -> list[dict[str, Any]]:
        """Returns what is seen on each picture, as plain data; rows do not depend on one another."""
        ...

    def verdict(self, prompt: Prompt, seen: Mapping[str, Any]) -> Grade:
        """Returns what the rules make of it; no model is asked."""
        ...

    def aggregate(self, graded: Sequence[Any]) -> dict[str, Any]:
        """Returns the official summary of `benchmarks.graded.Graded`, counted as the official tool counts."""
        ...

    def beside(self, prompts: Sequence[Prompt]) -> Iterator[tuple[PurePosixPath, str]]:
        """Yields the official files that lie beside the pictures, with their text."""
        ...

    def results(self, graded: Sequence[Any]) -> Iterator[tuple[PurePosixPath, str]]:
        """Yields the files that the official tool writes, with their text."""
        ...

    def digest(self) -> str:
        """Returns a hash of instruments and settings: equal digests mean that equal things are seen."""
        ...
