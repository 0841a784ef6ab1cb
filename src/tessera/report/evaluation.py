"""The page of one evaluation: how good, how sure, which facts fail, and the pictures themselves.

Reads an eval folder (`benchmarks.layout`) and nothing else, so a page can be made again on any machine. Of
`config.json` it shows, where present: policy, policy_digest, benchmarks (their order), view, seed,
prompts_per_category, samples_per_prompt, best_of, seconds, images_per_second, command, tessera (the version).
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from tessera.benchmarks.layout import RECORDS, SUMMARY, picture_path
from tessera.errors import UserError
from tessera.report.best_of import best_of_results
from tessera.report.chart import Row, interval_chart, share_bar
from tessera.report.images import data_uri
from tessera.report.numbers import count, duration, percent, plural
from tessera.report.theme import Series, render, series_of
from tessera.statistics.intervals import LEVEL, RESAMPLES, Estimate
from tessera.storage import CONFIG, read_jsonl
from tessera.types import EvalRecord, Grade

SHOWN_PROMPTS = 8  # per category, in the gallery
# In all galleries together: with many categories each shows fewer prompts, so that the page stays below about
# 4 MB and opens on a phone.
MAX_SHOWN = 96
CHOSEN = 8  # closest misses, and worst, per benchmark
MAX_CHOSEN = 16  # of each in all, for the same reason
LISTED_FACTS = 4  # failed facts written out on a card


@dataclass(frozen=True, kw_only=True, slots=True)
class Picture:
    """A picture on the page. Its second appearance refers to the first: `uri` is empty then."""

    key: str
    uri: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Card:
    """One graded picture with its prompt; `mark` is right, wrong or open (not graded)."""

    prompt: str
    category: str
    sample: int
    mark: str
    failed: tuple[str, ...]
    more_failed: int
    reason: str
    picture: Picture | None  # None where no file was kept


@dataclass(frozen=True, kw_only=True, slots=True)
class FactShare:
    """How often one kind of fact holds in one benchmark."""

    share: float
    n: int
    bar: Markup


@dataclass(frozen=True, kw_only=True, slots=True)
class BenchmarkResult:
    """What the summary says of one benchmark, ready for the template."""

    name: str
    series: Series
    overall: Estimate
    soft: Estimate | None
    rows: tuple[Row, ...]  # the overall one first
    facts: Mapping[str, FactShare]
    images: int
    missing: int
    categories: str  # e.g. "6 categories"; empty if it has none
    chart: Markup


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """One category of a gallery."""

    name: str
    strict: Estimate | None
    right: int
    cards: tuple[Card, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Gallery:
    """The pictures of one benchmark."""

    name: str
    groups: tuple[Group, ...]

    @property
    def kept(self) -> bool:
        """Whether any of its pictures is on disk."""
        return any(card.picture for group in self.groups for card in group.cards)


class Album:
    """The pictures that are on the page already, by what they show."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._keys: set[str] = set()

    def picture(self, record: EvalRecord) -> Picture | None:
        """Returns the record's picture, with its bytes if the page lacks them yet; None without file."""
        path = self._folder / picture_path(record)
        if not path.is_file():
            return None
        key = "p" + hashlib.blake2b(path.read_bytes(), digest_size=8).hexdigest()
        if key in self._keys:
            return Picture(key=key, uri="")
        self._keys.add(key)
        return Picture(key=key, uri=data_uri(path))


def evaluation_page(folder: Path, next_step: str = "") -> str:
    """Returns the page of an eval folder as HTML; `next_step` says what to do next, `code` in backticks."""
    config = _read(folder, CONFIG)
    summary = _read(folder, SUMMARY)
    records = [EvalRecord.from_json(row) for row in _read(folder, RECORDS)]
    names = [name for name in config.get("benchmarks", ()) if name in summary]
    names += [name for name in summary if name not in names]
    results = [_result(name, summary[name]) for name in names]

    # The album hands out bytes at a picture's first appearance, so cards are made in the order of the page.
    album = Album(folder)
    by_benchmark = {name: [r for r in records if r.benchmark == name] for name in names}
    total = sum(len({r.category for r in rows}) for rows in by_benchmark.values())
    shown = max(2, min(SHOWN_PROMPTS, MAX_SHOWN // max(total, 1)))
    galleries = [
        Gallery(name=name, groups=_groups(rows, summary[name]["categories"], shown, album))
        for name, rows in by_benchmark.items()
        if rows
    ]
    chosen = max(2, min(CHOSEN, MAX_CHOSEN // max(len(names), 1)))
    closest = _chosen(by_benchmark, chosen, album, best=True)
    worst = _chosen(by_benchmark, chosen, album, best=False)
    return render(
        "evaluation.html",
        title=f"Evaluation of {_short(config.get('policy', 'a policy'))}",
        reading=reading(results),
        benchmarks=results,
        kinds=weakest_kinds(results),
        best_of=best_of_results({name: summary[name] for name in names}),
        galleries=galleries,
        shown=shown,
        closest=closest,
        worst=worst,
        level=LEVEL,
        resamples=RESAMPLES,
        method=_method(config, results),
        command=config.get("command", ""),
        next_step=next_step,
    )


def reading(results: Sequence[BenchmarkResult]) -> str:
    """Returns the result in plain words."""
    graded = [r for r in results if not math.isnan(r.overall.mean)]
    if not graded:
        return "Nothing could be graded, so there is no result."
    inside = [r for r in graded if r.series == "in-domain"]
    outside = [r for r in graded if r.series == "out-of-domain"]
    ordered = sorted(graded, key=lambda r: r.overall.mean)
    worst, best = ordered[0], ordered[-1]
    shows = "show everything their prompt asks for"
    if len(graded) == 1:
        text = f"On {best.name}, {_share(best.overall)} {shows}."
    elif len(graded) == 2 and inside and outside:
        there = _share(outside[0].overall, short=True)
        text = f"In domain, {_share(inside[0].overall)} {shows}; out of domain, {there}."
    elif worst.overall.mean == best.overall.mean:
        text = f"On each of {len(graded)} benchmarks, {100 * best.overall.mean:.0f} of 100 pictures {shows}."
    else:
        text = (
            f"On {best.name}, {_share(best.overall)} {shows}; on {worst.name}, the hardest of "
            f"{len(graded)} benchmarks, {_share(worst.overall, short=True)}."
        )
    kinds = weakest_kinds(results)
    if kinds and (held := _held(results, kinds[0])) < _held(results, kinds[-1]):
        text += (
            f" The kind of fact that breaks most often is {kinds[0]}: it holds in {percent(held)} of cases."
        )
    return text


def weakest_kinds(results: Sequence[BenchmarkResult]) -> list[str]:
    """Returns the kinds of facts, the one that holds least often over all benchmarks first."""
    kinds = dict.fromkeys(kind for r in results for kind, fact in r.facts.items() if fact.n > 0)
    return sorted(kinds, key=lambda kind: _held(results, kind))


def _held(results: Sequence[BenchmarkResult], kind: str) -> float:
    facts = [r.facts[kind] for r in results if kind in r.facts and r.facts[kind].n > 0]
    return sum(fact.share * fact.n for fact in facts) / sum(fact.n for fact in facts)


def _share(estimate: Estimate, short: bool = False) -> str:
    """Returns e.g. "61 of 100 pictures (interval 57 to 65)"."""
    noun = "" if short else " pictures"
    text = f"{100 * estimate.mean:.0f} of 100{noun}"
    if math.isnan(estimate.ci_low):
        return text
    name = "" if short else f"{percent(LEVEL)} interval "
    return f"{text} ({name}{100 * estimate.ci_low:.0f} to {100 * estimate.ci_high:.0f})"


# --- from the files -----------------------------------------------------------------------------------------


def _read(folder: Path, name: str) -> Any:
    """Returns a JSON file, or the rows of a .jsonl file, of an eval folder."""
    path = folder / name
    if not path.is_file():
        raise UserError(
            f"{folder} is no complete eval folder: {name} is missing. `tessera eval --out {folder}` makes one"
        )
    try:
        return list(read_jsonl(path)) if path.suffix == ".jsonl" else json.loads(path.read_text("utf-8"))
    except json.JSONDecodeError as error:
        raise UserError(f"{path} is not whole ({error}); run the evaluation again") from error


def _result(name: str, summary: Mapping[str, Any]) -> BenchmarkResult:
    series = series_of(name)
    overall = Estimate.from_json(summary["overall"])
    softs = summary.get("soft") or {}
    soft = Estimate.from_json(softs["overall"]) if softs else None
    rows = [Row(label="overall", strict=overall, soft=soft, emphasis=True)]
    for category, estimate in summary["categories"].items():
        mild = softs.get("categories", {}).get(category)
        rows.append(
            Row(
                label=_words(category),
                strict=Estimate.from_json(estimate),
                soft=Estimate.from_json(mild) if mild else None,
            )
        )
    shares = {
        kind: (math.nan if row["mean"] is None else float(row["mean"]), int(row["n"]))
        for kind, row in summary.get("facts", {}).items()
    }
    categories = len(rows) - 1
    return BenchmarkResult(
        name=name,
        series=series,
        overall=overall,
        soft=soft,
        rows=tuple(rows),
        facts={
            kind: FactShare(share=share, n=n, bar=share_bar(share, series=series))
            for kind, (share, n) in shares.items()
        },
        images=summary.get("images", 0),
        missing=summary.get("missing", 0),
        categories={0: "", 1: "1 category"}.get(categories, f"{categories} categories"),
        chart=interval_chart(rows, title=f"Share of right pictures by category, {name}", series=series),
    )


def _groups(
    records: Sequence[EvalRecord], estimates: Mapping[str, Any], shown: int, album: Album
) -> tuple[Group, ...]:
    """Returns the first sample of the first prompts of each category, in the order they were measured."""
    first: dict[str, dict[str, EvalRecord]] = {category: {} for category in estimates}
    for record in records:
        seen = first.setdefault(record.category, {})
        if record.prompt_id not in seen or record.sample < seen[record.prompt_id].sample:
            seen[record.prompt_id] = record
    groups = []
    for category, prompts in first.items():
        cards = tuple(_card(record, album) for record in list(prompts.values())[:shown])
        if cards:
            groups.append(
                Group(
                    name=_words(category),
                    strict=Estimate.from_json(estimates[category]) if category in estimates else None,
                    right=sum(card.mark == "right" for card in cards),
                    cards=cards,
                )
            )
    return tuple(groups)


def _chosen(
    by_benchmark: Mapping[str, Sequence[EvalRecord]], most: int, album: Album, best: bool
) -> list[tuple[str, list[Card]]]:
    """Returns per benchmark the wrong pictures of highest (or lowest) soft grade, one per prompt.

    Where a benchmark has few wrong pictures, half of them are closest and half worst: none is both.
    """
    groups = []
    for name, records in by_benchmark.items():
        ordered: dict[str, EvalRecord] = {}
        wrong = [r for r in records if _mark(r.grade) == "wrong" and not math.isnan(r.grade.soft)]
        for record in sorted(wrong, key=lambda r: -r.grade.soft):  # stable: equals stay in file order
            ordered.setdefault(record.prompt_id, record)
        ranked = list(ordered.values())
        half = (len(ranked) + 1) // 2
        picked = ranked[: min(most, half)] if best else ranked[max(half, len(ranked) - most) :][::-1]
        if picked:
            groups.append((name, [_card(record, album) for record in picked]))
    return groups


def _card(record: EvalRecord, album: Album) -> Card:
    failed = [fact.text for fact in record.grade.facts if not fact.holds]
    return Card(
        prompt=record.prompt,
        category=_words(record.category),
        sample=record.sample,
        mark=_mark(record.grade),
        failed=tuple(failed[:LISTED_FACTS]),
        more_failed=max(len(failed) - LISTED_FACTS, 0),
        reason=record.grade.reason,
        picture=album.picture(record),
    )


def _mark(grade: Grade) -> str:
    if math.isnan(grade.strict):
        return "open"
    return "right" if grade.strict >= 1 else "wrong"


def _short(policy: str) -> str:
    """Returns a policy's name; of a path, its last three parts (run, checkpoints, step)."""
    return "/".join(policy.split("/")[-3:])


def _words(name: str) -> str:
    """Returns a category as people write it: color_attr becomes color attr."""
    return name.replace("_", " ") or "all"


def _method(config: Mapping[str, Any], results: Sequence[BenchmarkResult]) -> list[tuple[str, str]]:
    """Returns what the config says on how it was measured; what it does not say is left out."""
    rows: list[tuple[str, str]] = []

    def add(label: str, *keys: str, text: str) -> None:
        values = [config.get(key) for key in keys]
        if all(value not in (None, "") for value in values):
            rows.append((label, text.format(*values)))

    add("policy", "policy", text="{}")
    add("weights", "policy_digest", text="{}")
    rows.append(("benchmarks", ", ".join(result.name for result in results)))
    add("prompts", "prompts_per_category", text="up to {} per category")
    add("samples", "samples_per_prompt", text="{} per prompt")
    if config.get("best_of", 1) > 1:
        add("candidates", "best_of", text="{} for each sample; the scores above are their mean")
    if view := config.get("view"):
        rows.append(("view", _view(view)))
    add("seed", "seed", text="{}")
    images = sum(result.images for result in results)
    missing = sum(result.missing for result in results)
    rows.append(("pictures", f"{plural(images, 'picture')}, {count(missing)} of them not graded"))
    if seconds := config.get("seconds"):
        speed = config.get("images_per_second")
        rows.append(
            ("time", duration(float(seconds)) + (f", {speed:.1f} pictures a second" if speed else ""))
        )
    add("tessera", "tessera", text="{}")
    return rows


def _view(view: Mapping[str, Any]) -> str:
    """Returns the view in words, without what is off."""
    parts = [f"guidance {view.get('guidance', 1.0):g}", f"temperature {view.get('temperature', 1.0):g}"]
    if view.get("top_k"):
        parts.append(f"top-k {view['top_k']}")
    if view.get("top_p", 1.0) < 1:
        parts.append(f"top-p {view['top_p']:g}")
    return ", ".join(parts)
