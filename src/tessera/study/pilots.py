"""What a run costs, measured on a short one of its kind: only for studies matched by FLOPs or seconds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tessera.storage import write_json
from tessera.study.cells import Cell, kind_of
from tessera.study.config import Unit
from tessera.study.growth import stretched
from tessera.study.ledger import spent_by
from tessera.study.matching import UNITS
from tessera.study.stages import Plan, Planner, read_complete
from tessera.training.config import RunConfig, WatchConfig

PILOTS = "pilots.json"
SHARE = 0.2  # of a run's length


@dataclass(frozen=True, kw_only=True, slots=True)
class Pilot:
    """A short run."""

    kind: str  # of the run that it stands for
    label: str
    share: float  # of that run's length
    stage: str  # its id


def plan_pilots(cells: Sequence[Cell], code: str) -> tuple[Plan, list[Pilot]]:
    """Returns the stages of one pilot for each kind of run among the cells."""
    planner, pilots = Planner(code), dict[str, Pilot]()
    for cell in cells:
        if cell.run is None or (kind := kind_of(cell.run)) in pilots:
            continue
        short = _unwatched(stretched(cell.run, SHARE))
        label = f"pilot of {cell.id.rpartition('-')[0]}"
        pilots[kind] = Pilot(
            kind=kind,
            label=label,
            share=short.steps / cell.run.steps,
            stage=planner.train(short, label),
        )
    return Plan(stages=planner.stages, labels=planner.labels, made={}), list(pilots.values())


def measure_costs(
    out: Path, plan: Plan, pilots: Sequence[Pilot], cells: Sequence[Cell], errors: Mapping[str, str]
) -> tuple[dict[str, float], dict[str, str]]:
    """Writes what the pilots used up; returns the cost of whole runs, and why there is none, by kind."""
    units: dict[str, Unit] = {kind_of(cell.run): cell.unit for cell in cells if cell.run}
    costs, record, failed = dict[str, float](), list[dict[str, object]](), dict[str, str]()
    for pilot in pilots:
        unit = units[pilot.kind]
        line: dict[str, object] = {"pilot": pilot.label, "share": pilot.share, "unit": unit}
        if read_complete(out, pilot.stage) is None:
            error = errors.get(pilot.stage, "not reached")
            failed[pilot.kind] = f"its pilot failed: {error}"
            record.append({**line, "whole_run": None, "error": error})
            continue
        costs[pilot.kind] = spent_by(out, plan, pilot.stage)[UNITS[unit]] / pilot.share
        record.append({**line, "whole_run": costs[pilot.kind], "error": None})
    write_json(out / PILOTS, record)
    return costs, failed


def unmatched(cells: Sequence[Cell], failed: Mapping[str, str]) -> dict[str, str]:
    """Returns why cells cannot be matched, by id: nobody knows what they cost, or what they should."""
    why = dict[str, str]()
    for cell in cells:
        if cell.run is not None and (error := failed.get(kind_of(cell.run))):
            why[cell.id] = error
        elif cell.run is not None and not cell.budget:
            why[cell.id] = "the pilot of its experiment's first arm failed, which says what all may cost"
    return why


def _unwatched(run: RunConfig) -> RunConfig:
    quiet = WatchConfig(every=0, film_every=0, benchmarks=run.watch.benchmarks[:1], prompts_per_category=1)
    return replace(run, watch=quiet)
