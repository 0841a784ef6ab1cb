"""The whole page of an eval folder, from its files to HTML.

Reads an eval folder (`benchmarks.layout`) and nothing else, so a page can be made again on any machine. Of
`config.json` it shows, where present: policy, policy_digest, benchmarks (their order), view, seed,
prompts_per_category, samples_per_prompt, best_of, seconds, images_per_second, command, tessera (the version).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tessera.benchmarks.layout import SUMMARY
from tessera.report.evaluation import gallery
from tessera.report.evaluation.best_of import best_of_results
from tessera.report.evaluation.cards import Album
from tessera.report.evaluation.read import of_benchmark, read_part, read_records
from tessera.report.evaluation.result import BenchmarkResult, kind_words, result_of
from tessera.report.evaluation.words import counting, reading, soft_end, weakest_kinds
from tessera.report.numbers import count, duration, plural
from tessera.report.theme import render
from tessera.statistics.intervals import LEVEL, RESAMPLES
from tessera.storage import CONFIG

# Of chosen pictures, in the order of the page: name, of verdicts or of scores, from the better end.
SECTIONS = (
    ("closest", True, True),
    ("worst", True, False),
    ("highest", False, True),
    ("lowest", False, False),
)


def evaluation_page(folder: Path, next_step: str = "") -> str:
    """Returns the page of an eval folder as HTML; `next_step` says what to do next, `code` in backticks."""
    config = read_part(folder, CONFIG)
    summary = read_part(folder, SUMMARY)
    records = read_records(folder)
    names = [name for name in config.get("benchmarks", ()) if name in summary]
    names += [name for name in summary if name not in names]
    by_benchmark = {name: of_benchmark(records, name) for name in names}
    results = [result_of(name, summary[name], by_benchmark[name]) for name in names]

    # The album hands out bytes at a picture's first appearance, so cards are made in the order of the page.
    album = Album(folder)
    galleries = gallery.galleries_of(results, by_benchmark, album)
    chosen = {
        section: gallery.chosen_of(
            [result for result in results if result.measure.verdicts == verdicts],
            by_benchmark,
            album,
            best=best,
        )
        for section, verdicts, best in SECTIONS
    }
    return render(
        "evaluation.html",
        title=f"Evaluation of {_short(config.get('policy', 'a policy'))}",
        reading=reading(results),
        counting=counting(results),
        benchmarks=results,
        verdicts=any(result.measure.verdicts for result in results),
        scores=any(not result.measure.verdicts for result in results),
        facts=any(result.measure.has_facts for result in results),
        largest=soft_end(results, share="largest", score="highest"),
        smallest=soft_end(results, share="smallest", score="lowest"),
        of_field=any(result.of_field for result in results),
        official=any(result.official for result in results),
        kinds=weakest_kinds(results),
        kind_words=kind_words,
        best_of=best_of_results({name: summary[name] for name in names}, records),
        candidates=config.get("best_of", 1),
        galleries=galleries,
        shown=gallery.shown_of(by_benchmark),
        **chosen,
        level=LEVEL,
        resamples=RESAMPLES,
        method=_method(config, results),
        command=config.get("command", ""),
        next_step=next_step,
    )


def _short(policy: str) -> str:
    """Returns a policy's name; of a path, its last three parts (run, checkpoints, step)."""
    return "/".join(policy.split("/")[-3:])


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
