"""Evaluation folders as the command line writes them, with grades that a test chooses."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tessera.benchmarks.layout import RECORDS, SUMMARY, picture_path
from tessera.benchmarks.summary import summarise
from tessera.storage import CONFIG, write_json, write_lines, write_png
from tessera.types import EvalRecord, Fact, Grade

FACTS = ("it is a ring", "it is red")


def record(
    name: str,
    strict: float,
    *,
    benchmark: str = "mosaic-id",
    category: str = "color",
    sample: int = 0,
    seed: int = 7,
    soft: float | None = None,
    facts: Sequence[bool] = (),
    **more: Any,
) -> EvalRecord:
    """Returns a graded picture of the prompt of that name."""
    told = tuple(
        Fact(kind="shape", text=text, holds=holds) for text, holds in zip(FACTS, facts, strict=False)
    )
    fields = {"prompt": f"a photo of {name}", **more}
    return EvalRecord(
        benchmark=benchmark,
        category=category,
        prompt_id=f"{category}/{name}",
        sample=sample,
        seed=seed,
        grade=Grade(strict=float(strict), soft=float(strict if soft is None else soft), facts=told),
        tokens=(1, 2),
        **fields,
    )


def write_evaluation(
    folder: Path,
    records: Sequence[EvalRecord],
    settings: Mapping[str, Any] | None = None,
    *,
    pictures: bool = True,
    titles: Mapping[str, str] | None = None,
) -> Path:
    """Writes an evaluation folder and returns it; each picture has a colour of its own."""
    folder.mkdir(parents=True)
    categories = {
        name: list(dict.fromkeys(each.category for each in records if each.benchmark == name))
        for name in dict.fromkeys(each.benchmark for each in records)
    }
    summary = summarise(records, categories)
    for name, title in (titles or {}).items():
        summary[name]["official"] = {"title": title}
    config = {
        "tessera": "0.1.0",
        "policy": "mosaic",
        "policy_digest": "9c41f0aa",
        "view": {"guidance": 3.0, "temperature": 1.0, "top_k": 0, "top_p": 1.0},
        "seed": 0,
    }
    write_json(folder / CONFIG, {**config, **(settings or {})})
    write_json(folder / SUMMARY, summary)
    write_lines(folder / RECORDS, (each.to_json() for each in records))
    if pictures:
        for number, each in enumerate(records):
            write_png(folder / picture_path(each), np.full((16, 16, 3), 3 * number % 256, np.uint8))
    return folder


def two(
    root: Path, old: Sequence[EvalRecord], new: Sequence[EvalRecord], **settings: Any
) -> tuple[Path, Path]:
    """Returns folders `old` and `new`; the settings are those of the new one."""
    return write_evaluation(root / "old", old), write_evaluation(root / "new", new, settings)


def shares(rights: Sequence[float], **more: Any) -> list[EvalRecord]:
    """Returns one picture of each of so many prompts, with these grades."""
    return [record(f"thing {number}", right, **more) for number, right in enumerate(rights)]
