"""One graded picture as a page shows it: the picture, its verdict or score, and what is wrong with it."""

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tessera.benchmarks.layout import picture_path
from tessera.report.evaluation.measure import Measure
from tessera.report.evaluation.read import words
from tessera.report.evaluation.result import BenchmarkResult
from tessera.report.images import SHOWN_SIDE, data_uri
from tessera.report.numbers import MISSING
from tessera.types import EvalRecord

LISTED = 4  # failed facts, and reasons, written out on a card
FIELD_SIDE = 192  # pixels; pictures of the field are like photographs, and weigh more than mosaic's


@dataclass(frozen=True, kw_only=True, slots=True)
class Picture:
    """A picture on the page. Its second appearance refers to the first: `uri` is empty then."""

    key: str
    uri: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Card:
    """One graded picture with its prompt; `mark` is right, wrong, scored or open (not graded)."""

    prompt: str
    category: str
    sample: int
    mark: str
    score: str  # empty where the verdict says it all
    rank: int  # in its category, the best one first
    failed: tuple[str, ...]
    more_failed: int
    reasons: tuple[str, ...]
    picture: Picture | None  # None where no file was kept


class Album:
    """The pictures that are on the page already, by what they show."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._keys: set[str] = set()

    def picture(self, record: EvalRecord) -> Picture | None:
        """Returns the record's picture, with its bytes if the page lacks them yet; None without file."""
        path = self._folder / picture_path(record)
        inside = path.resolve().is_relative_to(self._folder.resolve())  # a record may name any place
        if not inside or not path.is_file():
            return None
        key = "p" + hashlib.blake2b(path.read_bytes(), digest_size=8).hexdigest()
        if key in self._keys:
            return Picture(key=key, uri="")
        self._keys.add(key)
        return Picture(key=key, uri=data_uri(path, FIELD_SIDE if record.picture else SHOWN_SIDE))


def cards_of(records: Sequence[EvalRecord], result: BenchmarkResult, album: Album) -> tuple[Card, ...]:
    """Returns the cards of records of one benchmark and category, in their order."""
    ordered = sorted(range(len(records)), key=lambda place: _worth(records[place]))
    ranks = {place: rank for rank, place in enumerate(ordered)}
    return tuple(_card(record, ranks[place], result, album) for place, record in enumerate(records))


def mark_of(record: EvalRecord, result: BenchmarkResult) -> str:
    """Returns the mark of a picture, as `Card` has it."""
    if math.isnan(record.grade.strict):
        return "open"
    if not result.measure.verdicts:
        return "scored"
    return "right" if record.grade.strict >= 1 else "wrong"


def _worth(record: EvalRecord) -> tuple[bool, float, float]:
    """Returns a key that puts the best first, and last what could not be graded."""
    strict, soft = record.grade.strict, record.grade.soft
    if math.isnan(strict):
        return True, 0.0, 0.0
    return False, -strict, 0.0 if math.isnan(soft) else -soft


def _card(record: EvalRecord, rank: int, result: BenchmarkResult, album: Album) -> Card:
    grade = record.grade
    failed = [fact.text for fact in grade.facts if not fact.holds]
    # GenEval's words leave a gap where what was found has no name.
    reasons = [line.replace("found  ", f"found {MISSING} ") for line in grade.reason.splitlines() if line]
    return Card(
        prompt=record.prompt,
        category=words(record.category),
        sample=record.sample,
        mark=mark_of(record, result),
        score=_score(record, result.measure),
        rank=rank,
        failed=tuple(failed[:LISTED]),
        more_failed=max(len(failed) - LISTED, 0),
        reasons=tuple(_first(reasons)),
        picture=album.picture(record),
    )


def _score(record: EvalRecord, measure: Measure) -> str:
    """Returns the score of a picture, or that behind its verdict; empty where there is none."""
    strict, soft = record.grade.strict, record.grade.soft
    if not measure.verdicts:
        return "" if math.isnan(strict) else measure.unit.value(strict)
    if measure.soft_unit is None or measure.has_facts or math.isnan(soft):
        return ""
    return measure.soft_unit.value(soft)


def _first(lines: Sequence[str]) -> Iterable[str]:
    """Returns the first lines, and how many more there are."""
    more = len(lines) - LISTED
    return [*lines[:LISTED], f"and {more} more"] if more > 0 else lines
