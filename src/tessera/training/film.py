"""The film strip on disk: the same pictures at several steps, each with its verdict. No torch here.

pictures/prompts.json           [{"prompt", "category", "sample"}], by number
pictures/step_000010/<n>.png    a picture of that step
pictures/grades.jsonl           one line per picture, written after it, with the facts that fail
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jaxtyping import UInt8
from numpy import ndarray

from tessera.storage import append_jsonl, full_disk_told, write_json, write_png
from tessera.training.metrics import CAPTIONS, GRADES, PICTURES
from tessera.types import Grade, Prompt


@dataclass(frozen=True, kw_only=True, slots=True)
class Shot:
    """One picture of the film strip and its benchmark's verdict."""

    number: int  # of its file, the same at every step
    benchmark: str
    prompt: Prompt
    sample: int
    image_HWC: UInt8[ndarray, "H W 3"]
    grade: Grade


def write_film(run: Path, step: int, shots: Sequence[Shot]) -> None:
    """Writes a step's pictures as `pictures/step_000010/<number>.png`, then their verdicts."""
    if not shots:
        return
    folder = run / PICTURES
    rows = [
        {
            "step": step,
            "number": shot.number,
            "benchmark": shot.benchmark,
            "prompt": shot.prompt.text,
            "category": shot.prompt.category,
            "sample": shot.sample,
            "strict": shot.grade.strict,
            "soft": shot.grade.soft,
            "failed": [fact.text for fact in shot.grade.facts if not fact.holds],
            "reason": shot.grade.reason,
        }
        for shot in shots
    ]
    captions = [{key: row[key] for key in ("prompt", "category", "sample")} for row in rows]
    with full_disk_told(run):
        for shot in shots:
            write_png(folder / f"step_{step:06d}" / f"{shot.number}.png", shot.image_HWC)
        write_json(folder / CAPTIONS, captions)
        append_jsonl(run / GRADES, rows)
