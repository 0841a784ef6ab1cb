"""The pictures of an evaluation: some of each category whatever came out, and chosen ones from either end.

A page holds about a hundred pictures, however many were measured, and says of how many.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tessera.report.evaluation.cards import Album, Card, cards_of, mark_of
from tessera.report.evaluation.read import missing_by_category, words
from tessera.report.evaluation.result import BenchmarkResult
from tessera.report.numbers import count, interval, percent, plural
from tessera.statistics.intervals import Estimate
from tessera.types import EvalRecord

SHOWN_PROMPTS = 8  # per category, in the gallery
# In all galleries together: with many categories each shows fewer prompts, so that the page stays below about
# 4 MB and opens on a phone.
MAX_SHOWN = 96
FEWEST = 2  # prompts of a category that is shown at all
CHOSEN = 8  # from either end, per benchmark
MAX_CHOSEN = 16  # of each in all, for the same reason

Records = Mapping[str, Sequence[EvalRecord]]  # by benchmark
Chosen = list[tuple[str, tuple[Card, ...]]]  # by benchmark


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """One category of a gallery."""

    name: str
    told: str  # what came out, of these and of all
    cards: tuple[Card, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Gallery:
    """The pictures of one benchmark."""

    name: str
    verdicts: bool
    groups: tuple[Group, ...]
    told: str  # how many of how many are shown

    @property
    def kept(self) -> bool:
        """Whether any of its pictures is on disk."""
        return any(card.picture for group in self.groups for card in group.cards)


def shown_of(by_benchmark: Records) -> int:
    """Returns how many prompts of each category are shown."""
    return max(FEWEST, min(SHOWN_PROMPTS, MAX_SHOWN // max(_categories(by_benchmark), 1)))


def galleries_of(results: Sequence[BenchmarkResult], by_benchmark: Records, album: Album) -> list[Gallery]:
    """Returns the first sample of the first prompts of each category, in the order they were measured."""
    shown = shown_of(by_benchmark)
    most = _most_categories(by_benchmark)
    galleries = []
    for result in results:
        records = by_benchmark[result.name]
        if not records:
            continue
        firsts, missing = _firsts(records, result), missing_by_category(records)
        groups = tuple(
            _group(category, list(prompts.values())[:shown], missing[category], result, album)
            for category, prompts in list(firsts.items())[:most]
        )
        told = (
            f"{count(sum(len(group.cards) for group in groups))} of {plural(len(records), 'picture')} shown"
        )
        if len(groups) < len(firsts):
            told += f", of {count(len(groups))} of {count(len(firsts))} categories"
        galleries.append(
            Gallery(
                name=result.name,
                verdicts=result.measure.verdicts,
                groups=groups,
                told=f"{told}." if result.of_field or len(groups) < len(firsts) else "",
            )
        )
    return galleries


def chosen_of(
    results: Sequence[BenchmarkResult], by_benchmark: Records, album: Album, *, best: bool
) -> Chosen:
    """Returns pictures from one end per benchmark, one per prompt; of the field, some of each category.

    Where there are few, half of them are from the one end and half from the other.
    """
    share = MAX_CHOSEN // max(len(by_benchmark), 1)
    most = max(2, min(CHOSEN, share))
    found: Chosen = []
    for result in results:
        records = by_benchmark[result.name]
        if result.of_field:
            each = max(share // max(len(result.estimates), 1), 1)
            parts: dict[str, list[EvalRecord]] = {category: [] for category in result.estimates}
            for record in records:
                parts.get(record.category, []).append(record)
            picked = [record for part in parts.values() for record in _end(part, result, each, best=best)]
            picked = picked[: max(share, 2)]
        else:
            picked = _end(records, result, most, best=best)
        if picked:
            found.append((result.name, cards_of(picked, result, album)))
    return found


def _categories(by_benchmark: Records) -> int:
    return sum(len({record.category for record in records}) for records in by_benchmark.values())


def _most_categories(by_benchmark: Records) -> int:
    """Returns how many categories of a benchmark are shown: all, unless they are too many together."""
    every = _categories(by_benchmark)
    fit = MAX_SHOWN // FEWEST
    return every if every <= fit else max(fit // len(by_benchmark), 1)


def _firsts(records: Sequence[EvalRecord], result: BenchmarkResult) -> dict[str, dict[str, EvalRecord]]:
    """Returns the first sample of each prompt by category; categories without pictures are left out."""
    first: dict[str, dict[str, EvalRecord]] = {category: {} for category in result.estimates}
    for record in records:
        seen = first.setdefault(record.category, {})
        if record.prompt_id not in seen or record.sample < seen[record.prompt_id].sample:
            seen[record.prompt_id] = record
    return {category: prompts for category, prompts in first.items() if prompts}


def _group(
    category: str,
    shown: Sequence[EvalRecord],
    missing: int,
    result: BenchmarkResult,
    album: Album,
) -> Group:
    cards = cards_of(shown, result, album)
    told = []
    if result.measure.verdicts:
        told.append(f"{sum(card.mark == 'right' for card in cards)} of these {len(cards)} right")
    if (estimate := result.estimates.get(category)) is not None:
        told.append(f"of all, {_estimate(estimate, result)}")
    if missing:
        told.append(f"{count(missing)} not graded")
    return Group(name=words(category), told="; ".join(told), cards=cards)


def _estimate(estimate: Estimate, result: BenchmarkResult) -> str:
    if result.measure.verdicts:
        mean, ends = percent(estimate.mean), interval(estimate)
    else:
        mean = result.measure.unit.alone(estimate.mean)
        ends = result.measure.unit.interval(estimate.ci_low, estimate.ci_high)
    return f"{mean} ({ends})" if ends else mean


def _end(
    records: Sequence[EvalRecord], result: BenchmarkResult, most: int, *, best: bool
) -> list[EvalRecord]:
    if result.measure.verdicts:
        if result.measure.soft_unit is None:  # wrong pictures have no order
            return []
        wrong = [r for r in records if mark_of(r, result) == "wrong" and not math.isnan(r.grade.soft)]
        ranked = _one_per_prompt(sorted(wrong, key=lambda r: -r.grade.soft))
        half = (len(ranked) + 1) // 2
        return ranked[: min(most, half)] if best else ranked[max(half, len(ranked) - most) :][::-1]
    known = [r for r in records if not math.isnan(r.grade.strict)]
    ranked = _one_per_prompt(sorted(known, key=lambda r: -r.grade.strict if best else r.grade.strict))
    half = (len(ranked) + 1) // 2
    return ranked[: min(most, half if best else len(ranked) - half)]


def _one_per_prompt(ordered: Sequence[EvalRecord]) -> list[EvalRecord]:
    """Returns the first record of each prompt; sorting is stable, so equals are in file order."""
    first: dict[str, EvalRecord] = {}
    for record in ordered:
        first.setdefault(record.prompt_id, record)
    return list(first.values())
