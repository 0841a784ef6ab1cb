"""The nouns that cross rooms: frozen records that can be written to disk and read back. No torch here.

Axes in names, here and everywhere: P prompts, G samples per prompt, B rows (P*G), T image tokens,
V codebook, C H W pixels.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

from tessera.errors import UserError

# How keys and values are kept while pictures are drawn: in the dtype of the weights, or in 8 bits and scales.
CacheForm = Literal["full", "int8"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Prompt:
    """One prompt, with what a benchmark knows of it.

    `id` names it inside its source (stable over runs); `metadata` holds what a grader needs and a policy
    must not see.
    """

    id: str
    text: str
    category: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class View:
    """Which distribution of the policy is meant, by the sampler and by whoever replays its log-probs.

    In this order: guidance mixes the logits of the prompt and of the null prompt, `u + guidance*(c-u)`
    (1 is the conditional branch alone and needs no second row); temperature divides them; top-k keeps the
    k largest (0 = all); top-p keeps the smallest set whose mass reaches p (1 = all).
    """

    guidance: float = 1.0
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.guidance < math.inf:
            raise UserError(f"guidance must be 0 or more, got {self.guidance}; 1 turns guidance off")
        if not 0 < self.temperature < math.inf:
            raise UserError(
                f"temperature must be above 0, got {self.temperature}; for the likeliest tokens use --top-k 1"
            )
        if self.top_k < 0:
            raise UserError(f"top-k must be 0 (off) or a count of tokens, got {self.top_k}")
        if not 0 < self.top_p <= 1:
            raise UserError(f"top-p must lie in (0, 1], got {self.top_p}; 1 turns it off")

    @property
    def guided(self) -> bool:
        """Whether the null prompt's branch is needed."""
        return self.guidance != 1.0

    def conditional(self) -> "View":
        """Returns the same view without guidance."""
        return View(temperature=self.temperature, top_k=self.top_k, top_p=self.top_p)


@dataclass(frozen=True, kw_only=True, slots=True)
class PolicySpec:
    """The fixed sizes of a policy: everything a sampler or a store needs to know before it runs."""

    name: str
    tokens: int  # T, image tokens per picture; constant
    codebook: int  # V
    grid: tuple[int, int]  # rows, columns of the token mosaic; their product is T
    image_size: tuple[int, int]  # H, W in pixels
    prefix: int  # text slots and begin-of-image before the first image token
    default_view: View


@dataclass(frozen=True, kw_only=True, slots=True)
class Footprint:
    """What the memory of a policy depends on, beside the sizes of its spec. Of the part that is trained."""

    parameters: int  # all of them, the frozen ones too
    weight_bytes: int  # of one parameter, and of one number of a full cache
    layers: int
    width: int  # of the residual stream
    heads: int  # of queries
    cache_width: int  # of the keys of one position, over all heads; of its values too
    mlp_width: int
    mlp_tensors: int  # of that width kept for backward: 2 for an activation, 4 for a gated one
    keeps_scores: bool  # whether backward finds the attention's weights; a fused kernel makes them again
    shares_texts: bool = False  # a text passes the layers once for all sequences of a pass that have it
    cache_scales: int = 0  # of the keys of one position in an int8 cache; of its values too. 0: a full cache

    @property
    def slot_bytes(self) -> int:
        """Of one token in the cache: keys and values of one layer."""
        if self.cache_scales:
            return 2 * (self.cache_width + self.cache_scales * self.weight_bytes)
        return 2 * self.cache_width * self.weight_bytes

    @property
    def read_bytes(self) -> int:
        """Of one token in what a step makes of a layer's cache to attend it; a full one is read in place."""
        return 2 * self.cache_width * self.weight_bytes if self.cache_scales else 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Fact:
    """One thing a prompt asks for, and whether the picture shows it."""

    kind: str
    text: str
    holds: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Grade:
    """A benchmark's verdict on one picture: NaN in `strict`/`soft` means it could not be graded."""

    strict: float
    soft: float
    facts: tuple[Fact, ...] = ()
    reason: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class EvalRecord:
    """One graded picture of one benchmark: a line of `eval.jsonl`."""

    benchmark: str
    category: str
    prompt_id: str
    prompt: str
    sample: int
    seed: int
    grade: Grade
    tokens: tuple[int, ...]
    picture: str = ""  # where it lies in the folder; "": where `benchmarks.layout` puts pictures

    def to_json(self) -> dict[str, Any]:
        """Returns plain data for one JSON line."""
        return asdict(self)

    @staticmethod
    def from_json(row: Mapping[str, Any]) -> "EvalRecord":
        """Returns the record that `to_json` wrote."""
        grade = dict(row["grade"])
        grade["facts"] = tuple(Fact(**fact) for fact in grade["facts"])
        for key in ("strict", "soft"):  # JSON writes NaN as null
            grade[key] = math.nan if grade[key] is None else float(grade[key])
        return EvalRecord(**{**row, "grade": Grade(**grade), "tokens": tuple(row["tokens"])})


@runtime_checkable
class Progress(Protocol):
    """Hears how far a piece of work is: (what, done, total, a note such as the loss)."""

    def __call__(self, what: str, done: int, total: int, note: str = "") -> None: ...


def silent(what: str, done: int, total: int, note: str = "") -> None:
    """A `Progress` that tells nobody."""
