"""Who answers questions about pictures, as configuration without the models: it is read in every process."""

from typing import Literal

from tessera.config import config
from tessera.errors import UserError
from tessera.plugins import check_name
from tessera.scorers.placed import Placement


@config
class QwenAnswers:
    """Names the Qwen2.5-VL that is asked."""

    kind: Literal["qwen2.5-vl"] = "qwen2.5-vl"
    weights: str | None = None  # a folder or a hub id; unset: Qwen/Qwen2.5-VL-7B-Instruct
    limit: int = 512  # tokens of a written answer
    place: Placement = Placement()

    @property
    def published(self) -> bool:
        """Whether it is the judge of a benchmark's published numbers: of none."""
        return False

    def __post_init__(self) -> None:
        if self.limit < 1:
            raise UserError(f"limit must be 1 or more tokens, got {self.limit}; 512 is the default")


@config
class CustomAnswers:
    """Names a function without arguments that returns an `Answerer` (answerer.py)."""

    kind: Literal["custom"] = "custom"
    function: str
    published: bool = False  # its author's word that it is the judge of the published numbers

    def __post_init__(self) -> None:
        check_name(self.function, "an answerer of your own")


AnswererSettings = QwenAnswers | CustomAnswers
