"""What a study found, as files: one row per cell, benchmark, category and score, recomputed from the folders.

    results.json   [row, ...]; results.csv has the same
    cells.json     [cell, ...]: what became of each

A row: {experiment, arm, algorithm, reward, setting, seed, benchmark, category, score, mean, ci_low, ci_high,
n_prompts, images, gradient_steps, tokens_sampled, tokens_scored, tokens_trained, token_passes, reward_calls,
cpu_seconds, seconds, peak_memory_mb, kl, lr, best_of, chooser, run, eval, scores, command}. `category` is one
of a benchmark, or "overall"; `score` is "strict" or "soft". A cell of several experiments has rows in each.

The base has no algorithm and no seed, and its reward is "". A row of best-of-n has `best_of` above 1 and a
`chooser`: a scorer, `random` (the mean of the candidates) or `oracle` (the verifier itself); of the base the
chooser stands as `reward`, too. `scores` is {judge: folder}: what learned rewards say of the same pictures.

What a cell used up is what it needs alone: rollouts that several cells share count in each of them. But for
the times and the memory (MEASURED), running again gives the same rows.
"""

import csv
import io
import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tessera.benchmarks.best_of import ORACLE, RANDOM
from tessera.benchmarks.layout import read_summary
from tessera.storage import write_atomic, write_json
from tessera.study.cells import Cell, Place, words_of
from tessera.study.config import EvaluationConfig
from tessera.study.ledger import spent_by
from tessera.study.matching import matched
from tessera.study.runner import log_path
from tessera.study.stages import STAGES, Plan, read_complete, stage_folder
from tessera.study.worker import KL
from tessera.training.config import RunConfig

RESULTS, RESULTS_CSV, CELLS = "results.json", "results.csv", "cells.json"
MEASURED = ("cpu_seconds", "seconds", "peak_memory_mb")
NAMES = (
    *("experiment", "arm", "reward", "setting", "seed"),
    *("benchmark", "category", "score", "best_of", "chooser"),
)
COLUMNS = (
    *("experiment", "arm", "algorithm", "reward", "setting", "seed"),
    *("benchmark", "category", "score", "mean", "ci_low", "ci_high", "n_prompts"),
    *("images", "gradient_steps", "tokens_sampled", "tokens_scored", "tokens_trained", "token_passes"),
    *("reward_calls", "cpu_seconds", "seconds", "peak_memory_mb", "kl", "lr", "best_of", "chooser"),
    *("run", "eval", "scores", "command"),
)


def write_results(
    out: Path, cells: Sequence[Cell], plan: Plan, errors: Mapping[str, str], failed: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Writes the three files; returns the cells. `errors` are by stage, `failed` by cell."""
    described = [_described(out, cell, plan, errors, failed) for cell in cells]
    rows = []
    for cell, told in zip(cells, described, strict=True):
        if told["status"] == "done":
            rows += list(_rows(out, cell, plan, told))
    once = {tuple(row[name] for name in NAMES): row for row in rows}  # each chooser has the bounds, too
    rows = list(once.values())
    write_json(out / RESULTS, rows)
    write_atomic(out / RESULTS_CSV, _csv(rows).encode())
    write_json(out / CELLS, described)
    return described


def command_of(cell: Cell) -> str:
    """Returns the lines that make a cell without a study, joined by &&."""
    run = f"runs/{cell.id}"
    chosen = ["--best-of", str(cell.best_of), "--scorer", cell.chooser] if cell.chooser else []
    policy, out = (cell.policy, run) if cell.run is None else (run, f"{run}-eval")
    words = ["tessera", "eval", "--policy", policy, *_measured_by(cell.evaluation), *chosen, "--out", out]
    measure = shlex.join(words)
    return measure if cell.run is None else f"{train_command(cell.run, run)} && {measure}"


def train_command(run: RunConfig, out: str) -> str:
    """Returns the line that trains this run."""
    words = words_of(run)
    return shlex.join(["tessera", "train", run.recipe, *(["--set", *words] if words else []), "--out", out])


def _measured_by(evaluation: EvaluationConfig) -> list[str]:
    sizes = {
        "--prompts-per-category": evaluation.prompts_per_category,
        "--num": evaluation.samples_per_prompt,
        "--seed": evaluation.seed,
    }
    words = [word for name, value in sizes.items() if value is not None for word in (name, str(value))]
    told = ["--set", *evaluation.settings] if evaluation.settings else []
    return ["--benchmark", *evaluation.benchmarks, *words, *told]


def _described(
    out: Path, cell: Cell, plan: Plan, errors: Mapping[str, str], failed: Mapping[str, str]
) -> dict[str, Any]:
    made, first = plan.made[cell.id], cell.places[0]
    broken = next((name for name in made.needed if name in errors), None)
    error = errors[broken] if broken else failed.get(cell.id)
    complete = all(read_complete(out, name) for name in made.needed)
    spent = spent_by(out, plan, made.train) if made.train and complete else None
    return {
        "id": cell.id,
        "experiments": list(dict.fromkeys(place.experiment for place in cell.places)),
        "places": [_place(place) for place in cell.places],
        **{name: value for name, value in _place(first).items() if name != "experiment"},
        "algorithm": cell.algorithm,
        "status": "done" if complete else "failed" if error else "skipped",
        "error": None if complete else error or "not reached; go on with --resume",
        "log": f"{STAGES}/{broken}.log" if broken and log_path(out, broken).exists() else None,
        "run": f"{STAGES}/{made.train}" if made.train else None,
        "eval": f"{STAGES}/{made.measure}",
        "scores": {
            judge: f"{STAGES}/{name}" for judge, name in made.scores.items() if read_complete(out, name)
        },
        "unscored": {judge: errors[name] for judge, name in made.scores.items() if name in errors},
        "command": command_of(cell),
        "lr": cell.run.optimizer.lr if cell.run else None,
        "best_of": cell.best_of,
        "matched": matched(spent, cell.unit, cell.budget) if spent else None,
    }


def _place(place: Place) -> dict[str, Any]:
    return {name: getattr(place, name) for name in ("experiment", "arm", "reward", "setting", "seed")}


def _rows(out: Path, cell: Cell, plan: Plan, told: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    made = plan.made[cell.id]
    folder = stage_folder(out, made.measure)
    facts = {
        **spent_by(out, plan, made.train),
        "algorithm": cell.algorithm,
        "kl": _kl(cell, folder),
        **{name: told[name] for name in ("lr", "best_of", "run", "eval", "scores", "command")},
    }
    for benchmark, result in read_summary(folder).items():
        for chooser, scores in _scores(cell, result):
            facts["chooser"] = chooser
            for place in cell.places:
                where = _place(place) | ({} if chooser is None or cell.run else {"reward": chooser})
                for score, means in scores.items():
                    for category, mean in {"overall": means["overall"], **means["categories"]}.items():
                        row = {**facts, **where, "benchmark": benchmark, "category": category, "score": score}
                        row |= {name: mean[name] for name in ("mean", "ci_low", "ci_high")}
                        row["n_prompts"] = mean["n"]
                        yield {name: row[name] for name in COLUMNS}


def _kl(cell: Cell, folder: Path) -> float | None:
    """Returns how far the policy has moved from the base; who chooses moves by no policy."""
    if cell.chooser is not None:
        return None
    return json.loads((folder / KL).read_text(encoding="utf-8"))["kl"] if cell.run else 0.0


def _scores(cell: Cell, result: Mapping[str, Any]) -> Iterator[tuple[str | None, dict[str, Any]]]:
    """Yields (who chose, {score: estimates}); nobody chose a plain evaluation."""
    if cell.chooser is None:
        yield None, {"strict": result, "soft": result["soft"]}
        return
    for name, choices in result["best_of"].items():
        if name in (cell.chooser, RANDOM, ORACLE):
            last = next(choice for choice in choices["sizes"] if choice["n"] == cell.best_of)
            yield name, {"strict": last["strict"], "soft": last["soft"]}


def _csv(rows: Sequence[Mapping[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows({**row, "scores": json.dumps(row["scores"])} for row in rows)
    return text.getvalue()
