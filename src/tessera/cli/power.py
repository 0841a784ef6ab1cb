"""`tessera power`: how many prompts and training seeds a study needs to see a difference."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from tessera.cli.common import finish, parse_flags, positive
from tessera.errors import UserError

if TYPE_CHECKING:
    from tessera.statistics.power import Components
    from tessera.types import EvalRecord

SEEDS = (1, 2, 3, 5)  # rows of the table, and what --seeds asks for


@dataclass(frozen=True, kw_only=True)
class Flags:
    """Plan a study: the prompts that show a difference between two arms, and the smallest that prompts show.

    Arms are measured on the same prompts with the same sampling seed (paired). Without --from, variances are
    those of strict accuracy on the embedded world.
    Example: tessera power --difference 0.05 --from runs/a0-eval runs/a1-eval --against runs/base-eval
    """

    difference: float
    """between the two scores, such as 0.05 for five points of accuracy"""
    pilot: Annotated[tuple[Path, ...], tyro.conf.arg(name="from")] = ()
    """evaluation folders of one arm, one for each training seed; variances are taken from them"""
    against: tuple[Path, ...] = ()
    """of the other arm; a single folder counts as a base, which has no training seeds"""
    benchmark: str | None = None
    """of these folders; unset: the first one in them"""
    score: Literal["strict", "soft"] = "strict"
    """which score of a picture"""
    seeds: int = 3
    """training seeds of each arm"""
    pictures: int = 2
    """per prompt and policy"""
    prompts: int = 360
    """for which the smallest visible difference is told"""
    power: float = 0.8
    """how often a true difference is to be found, at level 0.05"""
    json: bool = False
    """print one JSON object on standard output and nothing else"""


def run(arguments: Sequence[str]) -> int:
    """Runs the command; returns the exit code."""
    flags = parse_flags(Flags, "power", arguments)
    check(flags)

    from tessera.statistics.intervals import LEVEL
    from tessera.statistics.power import LEAST_PROMPTS, TYPICAL, prompts_needed, smallest_difference

    if flags.prompts < LEAST_PROMPTS:
        raise UserError(f"--prompts must be {LEAST_PROMPTS} or more: intervals over fewer do not hold")
    components, remarks = (TYPICAL, ["Variances: typical ones of strict accuracy on the embedded world."])
    if flags.pilot:
        components, remarks = measured(flags)
    rows = []
    for seeds in sorted({*SEEDS, flags.seeds}):
        size = {"wanted": flags.power, "pictures": flags.pictures, "seeds": seeds}
        needed = prompts_needed(components, flags.difference, **size)
        smallest = smallest_difference(components, prompts=flags.prompts, **size)
        policies = seeds + (1 if components.old.fixed else seeds)
        images = None if needed is None else needed * flags.pictures * policies
        rows.append({"seeds": seeds, "prompts": needed, "images": images, "smallest_difference": smallest})
    settings = {
        "difference": flags.difference,
        "power": flags.power,
        "level": round(1 - LEVEL, 10),
        "pictures": flags.pictures,
        "seeds": flags.seeds,
    }
    result = {**settings, "components": asdict(components), "remarks": remarks, "table": rows}
    return finish(result, as_json=flags.json, lines=[*table_lines(flags, rows), *remarks])


def check(flags: Flags) -> None:
    """Raises a `UserError` for a flag that makes no sense."""
    for name, count in (("seeds", flags.seeds), ("pictures", flags.pictures), ("prompts", flags.prompts)):
        positive(name, count)
    if not 0 < flags.difference < 1:
        raise UserError(f"--difference lies between 0 and 1, got {flags.difference}; five points are 0.05")
    if not 0.05 < flags.power < 1:
        raise UserError(f"--power lies between 0.05 and 1, got {flags.power}; 0.8 is usual")
    if flags.against and not flags.pilot:
        raise UserError("--against is the other arm; name the first one with --from")


def table_lines(flags: Flags, rows: Sequence[dict[str, Any]]) -> list[str]:
    """Returns the table as a person reads it; the line asked for is marked."""
    lines = [
        f"To find a difference of {100 * flags.difference:.1f} points in {100 * flags.power:.0f} % of "
        f"studies (two-sided, level 5 %, {flags.pictures} pictures per prompt):",
        "",
        f"  {'seeds per arm':>13}  {'prompts':>8}  {'pictures in all':>15}  "
        f"smallest with {flags.prompts} prompts",
    ]
    for row in rows:
        prompts = "never" if row["prompts"] is None else f"{row['prompts']:,}"
        images = "" if row["images"] is None else f"{row['images']:,}"
        least = row["smallest_difference"]
        visible = "none" if least is None else f"{100 * least:.1f} points"
        mark = ">" if row["seeds"] == flags.seeds else " "
        lines.append(f"{mark} {row['seeds']:>13}  {prompts:>8}  {images:>15}  {visible}")
    lines += ["", "One seed compares these very policies and says nothing of training again."]
    if any(row["prompts"] is None for row in rows):
        lines.append("Never: training seeds differ too much for so few of them, whatever the prompts.")
    return lines


def measured(flags: Flags) -> "tuple[Components, list[str]]":
    """Returns the variances in evaluation folders, and what had to be taken from elsewhere."""
    import numpy as np

    from tessera.statistics.crossed import cross
    from tessera.statistics.power import (
        TYPICAL,
        TYPICAL_ARM,
        Arm,
        Components,
        arm_from,
        picture_variance,
        prompt_variance,
    )

    every = [records_of(folder) for folder in (*flags.pilot, *flags.against)]
    benchmark = flags.benchmark or every[0][0].benchmark
    chosen = [[record for record in records if record.benchmark == benchmark] for records in every]
    for folder, records, mine in zip((*flags.pilot, *flags.against), every, chosen, strict=True):
        if not mine:
            known = ", ".join(sorted({record.benchmark for record in records}))
            raise UserError(f"{folder} holds no pictures of {benchmark}; name one of: {known}")
    crossed = cross(chosen, flags.score)
    known_P = ~np.isnan(crossed.score_SPG.sum(axis=(0, 2)))
    score_SPG = crossed.score_SPG[:, known_P]
    category_P = [name for name, known in zip(crossed.category_P, known_P, strict=True) if known]
    if score_SPG.shape[2] < 2:
        raise UserError("variances need two pictures of each prompt; measure with tessera eval --num 2")
    if min((category_P.count(name) for name in crossed.category_P), default=0) < 2:
        raise UserError("variances need two graded prompts in every category; measure on more prompts")
    new_SPG, old_SPG = score_SPG[: len(flags.pilot)], score_SPG[len(flags.pilot) :]
    remarks = [f"Variances: {flags.score} on {benchmark}, {score_SPG.shape[1]} prompts of the folders."]
    if len(new_SPG) > 1:
        new = arm_from(new_SPG, category_P)
    else:
        # With one seed, what it does better on one prompt than on another is part of the prompts' variance.
        picture = picture_variance(new_SPG, category_P)
        new = Arm(seed=TYPICAL_ARM.seed, interaction=0.0, picture=picture)
        remarks.append("One folder tells nothing of training seeds: their variance is a typical one.")
    if len(old_SPG) == 0:
        remarks.append("Without --against, the other arm is taken to vary as this one, and prompts as usual.")
        if len(new_SPG) == 1:
            new = replace(new, interaction=TYPICAL_ARM.interaction)
        return Components(prompt=TYPICAL.prompt, new=new, old=new), remarks
    if len(old_SPG) == 1:
        old = Arm(seed=0.0, interaction=0.0, picture=picture_variance(old_SPG, category_P), fixed=True)
    else:
        old = arm_from(old_SPG, category_P)
    prompt = prompt_variance(new_SPG, old_SPG, new, old, category_P)
    return Components(prompt=prompt, new=new, old=old), remarks


def records_of(folder: Path) -> "list[EvalRecord]":
    """Returns the graded pictures of an evaluation folder."""
    from tessera.benchmarks.layout import RECORDS
    from tessera.storage import read_jsonl
    from tessera.types import EvalRecord

    records = [EvalRecord.from_json(row) for row in read_jsonl(folder / RECORDS)]
    if not records:
        raise UserError(f"{folder} holds no {RECORDS} with graded pictures; name a folder of tessera eval")
    return records
