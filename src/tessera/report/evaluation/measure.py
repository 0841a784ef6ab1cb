"""What the numbers of one benchmark are: verdicts in percent or scores, and what soft says beside strict."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tessera.report.units import PERCENT, Unit, own_unit, unit_of
from tessera.types import EvalRecord


@dataclass(frozen=True, kw_only=True, slots=True)
class Measure:
    """The units of strict and soft."""

    unit: Unit
    soft_unit: Unit | None  # None where soft says no more than strict
    has_facts: bool  # and soft is the share of facts that hold

    @property
    def verdicts(self) -> bool:
        """Whether a picture is right or wrong; else it has a score."""
        return self.unit is PERCENT


def measure_of(name: str, summary: Mapping[str, Any], records: Sequence[EvalRecord]) -> Measure:
    """Returns what the numbers of a benchmark are, by its summary and its records."""
    unit = unit_of(name, (record.grade.strict for record in records))
    if unit is PERCENT and summary.get("facts"):
        return Measure(unit=unit, soft_unit=PERCENT, has_facts=True)
    differ = any(
        record.grade.soft != record.grade.strict for record in records if not math.isnan(record.grade.soft)
    )
    soft_unit = own_unit(record.grade.soft for record in records) if differ else None
    return Measure(unit=unit, soft_unit=soft_unit, has_facts=False)
