"""The page of `tessera bench --out FOLDER`: what was measured, against what, on which machine.

Made of the JSON files of the folder, a result in each, and of nothing else. A result takes the place of the
one before it of the same bench, policy, precision and adapter.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tessera.errors import OutputError
from tessera.report import bench_parts
from tessera.report.bench_parts import Part
from tessera.report.numbers import duration
from tessera.report.theme import render
from tessera.storage import write_atomic, write_json

PAGE = "report.html"
KINDS = {  # in the order of the page
    "rollout": "Drawing",
    "train": "A step of GRPO",
    "logprob": "Log-probabilities",
    "reward": "Scorers",
    "growth": "Growth",
    "study": "A study",
}
MADE: Mapping[str, Callable[[Mapping[str, Any]], Part]] = {
    "rollout": bench_parts.rollout,
    "train": bench_parts.train,
    "logprob": bench_parts.logprob,
    "reward": bench_parts.reward,
    "growth": bench_parts.growth,
    "study": bench_parts.study,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """All results of one bench."""

    name: str
    title: str
    parts: tuple[Part, ...]


def keep_result(folder: Path, result: Mapping[str, Any]) -> Path:
    """Writes a result into the folder and the page anew; returns the page."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / PAGE).exists() and not read_results(folder):
            raise OutputError(f"{folder} holds the page of something else; choose another --out")
        write_json(folder / file_name(result), dict(result))
        write_atomic(folder / PAGE, bench_page(folder).encode())
    except OSError as error:
        raise OutputError(f"cannot write to {folder}: {error.strerror or error}") from error
    return folder / PAGE


def file_name(result: Mapping[str, Any]) -> str:
    """Returns the name of a result's file: bench, policy, precision and adapter, as far as it has them."""
    adapter = "lora" if result.get("lora") else None
    words = [result["bench"], result.get("policy"), result.get("study"), result.get("precision"), adapter]
    text = "-".join(word for word in words if word and word != "float32")
    return "".join(each if each.isalnum() or each in "-._" else "-" for each in text) + ".json"


def read_results(folder: Path) -> list[dict[str, Any]]:
    """Returns the results of a folder, in the order of the page; other files are none of ours."""
    found = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]
    mine = [each for each in found if isinstance(each, dict) and each.get("bench") in KINDS]
    return sorted(mine, key=lambda each: list(KINDS).index(each["bench"]))


def bench_page(folder: Path) -> str:
    """Returns the page as HTML."""
    results = read_results(folder)
    sections = [
        Section(
            name=name,
            title=title,
            parts=tuple(MADE[name](each) for each in results if each["bench"] == name),
        )
        for name, title in KINDS.items()
    ]
    return render(
        "bench.html",
        title="What things cost",
        reading=reading(results),
        sections=[section for section in sections if section.parts],
        results=sorted(results, key=lambda each: each["date"]),
        machines=list(dict.fromkeys(machine_words(each) for each in results)),
    )


def reading(results: Sequence[Mapping[str, Any]]) -> str:
    """Returns the ratios in plain words."""
    said: list[str] = []
    for each in results:
        if each["bench"] == "rollout":
            ratios = [row["ratio_vs_growing_cache"]["median"] for row in each["batches"]]
            low, high = min(ratios), max(ratios)
            times = f"{low:.2f}" if low == high else f"{low:.2f} to {high:.2f}"
            said.append(f"Drawing {each['policy']} is {times} times as fast as with a growing cache.")
        if each["bench"] == "train":
            other = each["ratio_vs_plain_loop_float32"]
            beside = "" if other is None else f", and {other['median']:.2f} times as that in float32"
            said.append(
                f"A step of {each['policy']} in {each['precision']} is "
                f"{each['ratio_vs_plain_loop']['median']:.2f} times as fast as the plain loop’s{beside}."
            )
        if each["bench"] == "study":
            said.append(
                f"The study {each['study']} takes {duration(each['wall_seconds'])} and keeps "
                f"{each['cores_used']:.2f} of {each['cores']} cores busy."
            )
    return " ".join(said) or "Measured here; the numbers are below."


def machine_words(result: Mapping[str, Any]) -> str:
    """Returns which machine it was, and of which versions."""
    it = result["machine"]
    versions = ", ".join(f"{name} {text}" for name, text in it["versions"].items())
    gpu = f"{it['gpu']}; " if it["gpu"] else ""
    return f"{gpu}{it['processor']}, {it['cores']} cores; {it['system']}; {versions}"
