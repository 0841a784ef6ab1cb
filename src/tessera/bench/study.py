"""What a study took, from what its folder says: by kind of stage, by phase, and how busy it kept the cores.

Each stage has noted what it used up (COMPLETE), training its phases step by step, and whoever ran them when
each was started and had ended (timeline.jsonl). Nothing is run here. Seconds of phases are the wall's; a
stage counts with the sitting in which it was finished.

    start        of processes, until their work begins: Python, torch and the package are loaded
    sample ...   of training, as in its metrics; for the first rounds of DPO, too
    training, the rest   opening runs, the first look, checkpoints
    evaluation   stages that draw, grade and keep pictures, and measure KL to the base
    judging      stages in which a scorer looks at pictures that are there
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tessera.errors import UserError
from tessera.storage import read_jsonl
from tessera.training.metrics import METRICS

STUDY, TIMELINE, STAGES, COMPLETE, PHASES = (
    "study.json",
    "timeline.jsonl",
    "stages",
    "COMPLETE",
    "phases.json",
)
TRAINING = ("rollouts", "train")
EVALUATION = ("evaluate", "candidates")
PREFIX = "seconds_"
REST = "training, the rest"
FIRST = ("start", "sample", "decode", "reward", "replay", "update", "held_out", "film")
LAST = (REST, "evaluation", "judging")


def study_costs(folder: Path) -> dict[str, Any]:
    """Returns what the study of a folder took, as plain data."""
    if not (folder / STUDY).is_file():
        raise UserError(f"{folder} holds no study (it has no {STUDY}); name its folder, or a study to run")
    about = json.loads((folder / STUDY).read_text(encoding="utf-8"))
    lines = {line["stage"]: line for line in read_jsonl(folder / TIMELINE)}  # of several tries, the last
    found = {
        path.parent.name: json.loads(path.read_text(encoding="utf-8"))
        for path in sorted((folder / STAGES).glob(f"*/{COMPLETE}"))
    }
    stages = {name: cost for name, cost in found.items() if name in lines}
    if not stages:
        raise UserError(
            f"{folder} does not say when its stages ran: it was made by an earlier version, or has none yet. "
            "Run the study again in another folder"
        )
    times = [(line["began"], line["ended"]) for name, line in lines.items() if name in stages]
    slots = max(lines[name]["slots"] for name in stages)
    wall = covered(times)
    cpu = sum(cost["cpu_seconds"] + cost["start_cpu_seconds"] for cost in stages.values())
    cores = about["machine"]["cpus"]
    return {
        "study": about["name"],
        "tessera_of_study": about["tessera"],
        "stages": len(stages),
        "stages_left_out": len(found) - len(stages),  # a kill kept their times from being written
        "slots": slots,
        "cores": cores,
        "wall_seconds": wall,
        "cpu_seconds": cpu,
        "cores_used": cpu / wall,
        "share_of_machine": cpu / wall / cores,
        "free_slot_seconds": slots * wall - sum(ended - began for began, ended in times),
        "kinds": _kinds(stages, lines),
        "phases": _phases(folder, stages, lines),
    }


def covered(times: Sequence[tuple[float, float]]) -> float:
    """Returns how long at least one of the stretches of time lasted."""
    total, until = 0.0, float("-inf")
    for began, ended in sorted(times):
        total += max(0.0, ended - max(began, until))
        until = max(until, ended)
    return total


def _kinds(
    stages: Mapping[str, Mapping[str, Any]], lines: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """Returns sums by kind of stage, in the order of what they cost; of memory the most of one process."""
    by_kind: dict[str, list[str]] = {}
    for name in stages:
        by_kind.setdefault(name.rpartition("-")[0], []).append(name)
    rows = {
        kind: {
            "stages": len(names),
            "images": _total(stages, names, "images"),
            "wall_seconds": sum(lines[name]["ended"] - lines[name]["began"] for name in names),
            "cpu_seconds": _total(stages, names, "cpu_seconds"),
            "start_cpu_seconds": _total(stages, names, "start_cpu_seconds"),
            "peak_memory_mb": max(stages[name]["peak_memory_mb"] for name in names),
        }
        for kind, names in by_kind.items()
    }
    return dict(sorted(rows.items(), key=lambda row: -row[1]["cpu_seconds"]))


def _total(stages: Mapping[str, Mapping[str, Any]], names: Iterable[str], key: str) -> float | int:
    return sum(stages[name][key] for name in names)


def _phases(
    folder: Path, stages: Mapping[str, Mapping[str, Any]], lines: Mapping[str, Mapping[str, Any]]
) -> dict[str, float]:
    """Returns seconds by phase, in the order of a study."""
    spent: dict[str, float] = defaultdict(float)
    for name, cost in stages.items():
        spent["start"] += lines[name]["ended"] - lines[name]["began"] - cost["seconds"]
        kind, place = name.rpartition("-")[0], folder / STAGES / name
        if kind not in TRAINING:
            spent["evaluation" if kind in EVALUATION else "judging"] += cost["seconds"]
            continue
        mine = _of_training(place)
        for phase, seconds in {**mine, REST: cost["seconds"] - sum(mine.values())}.items():
            spent[phase] += seconds
    others = sorted(spent.keys() - {*FIRST, *LAST})
    return {name: spent[name] for name in (*FIRST, *others, *LAST) if name in spent}


def _of_training(place: Path) -> dict[str, float]:
    """Returns the seconds of the phases of one stage that trains or draws for training."""
    laps = list(read_jsonl(place / METRICS))
    if (place / PHASES).is_file():
        laps.append(json.loads((place / PHASES).read_text(encoding="utf-8")))
    spent: dict[str, float] = defaultdict(float)
    for lap in laps:
        for key, seconds in lap.items():
            if key.startswith(PREFIX):
                spent[key.removeprefix(PREFIX)] += seconds
    return dict(spent)
