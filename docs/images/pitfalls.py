"""Draws the figures of docs/pitfalls.md from the runs that it names: python docs/images/pitfalls.py RUNS"""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import fill
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.ticker import MaxNLocator
from PIL import Image

from tessera.report.study.plotting import COLOURS, blank, drawing_style, quiet
from tessera.storage import read_jsonl

HERE = Path(__file__).parent
DENSITY = 144  # dots per inch
COLOUR_COUNT = 256  # of a file: a third of the size, and nobody sees it
SMOOTH = 5  # steps: a step has other prompts than the one before
GOOD, BAD = COLOURS["right"], COLOURS["wrong"]
DOMAINS = {"mosaic-id": ("in", COLOURS["in"]), "mosaic-ood": ("out", COLOURS["out"])}
REWARD, RIGHT, KL = "reward, five steps", "right pictures, %", "KL, nats per token"

Point = tuple[float, float]


def curve(axes: Axes, points: Sequence[Point], colour: str, label: str, marker: str = "") -> None:
    """Draws a line, with what it is beside its end."""
    axes.plot(*zip(*points, strict=True), color=colour, linewidth=1.6, marker=marker, markersize=3)
    style = {"color": colour, "va": "center", "annotation_clip": False}
    axes.annotate(label, points[-1], (5, 0), textcoords="offset points", **style)


def panels(*titles: str) -> tuple[Figure, list[Axes]]:
    """Returns a row of axes over the steps of a run."""
    figure = blank(760 if len(titles) > 1 else 420, 190)
    row = [figure.add_subplot(1, len(titles), n + 1) for n in range(len(titles))]
    for axes, title in zip(row, titles, strict=True):
        axes.set_title(title)
        axes.set_xlabel("step")
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=True, steps=[1, 2, 5, 10]))
        quiet(axes)
    return figure, row


class Runs:
    """The runs in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def steps(self, run: str, key: str, scale: float = 1, smooth: int = 1) -> list[Point]:
        """Returns a number of each step, the mean of the last `smooth`."""
        rows = list(read_jsonl(self.folder / run / "metrics.jsonl"))
        values = [scale * row[key] for row in rows]
        lately = [values[max(0, n - smooth) : n] for n in range(1, len(rows) + 1)]
        return [(row["step"], sum(last) / len(last)) for row, last in zip(rows, lately, strict=True)]

    def held(self, run: str, benchmark: str, score: str = "strict", scale: float = 100) -> list[Point]:
        """Returns what validation pictures scored, at each look."""
        rows: Sequence[Mapping[str, Any]] = list(read_jsonl(self.folder / run / "held_out.jsonl"))
        return [(row["step"], scale * row[benchmark][score]["mean"]) for row in rows]

    def domains(self, axes: Axes, run: str) -> None:
        """Draws the share of right pictures in and out of domain."""
        for benchmark, (label, colour) in DOMAINS.items():
            curve(axes, self.held(run, benchmark), colour, label, "o")
        axes.set_ylim(-3, 103)


def before_and_after(film: Path) -> Figure:
    """Returns the first picture of each in-domain category's first prompt, at the start and at the end."""
    captions = json.loads((film / "prompts.json").read_text(encoding="utf-8"))
    first = {each["category"]: number for number, each in reversed(list(enumerate(captions)))}
    shown = sorted(first.values())[:6]
    looks = sorted(film.glob("step_*"))
    figure = blank(760, 320)
    for row, folder in enumerate((looks[0], looks[-1])):
        for column, number in enumerate(shown):
            axes = figure.add_subplot(2, len(shown), row * len(shown) + column + 1)
            axes.imshow(imread(folder / f"{number}.png"))
            axes.set(xticks=[], yticks=[])
            if row == 0:
                axes.set_title(fill(captions[number]["prompt"], 19), fontsize=7, fontweight="normal")
            if column == 0:
                axes.set_ylabel(f"step {int(folder.name.removeprefix('step_'))}")
    return figure


def figures(runs: Runs) -> Mapping[str, Figure]:
    """Returns all figures by name."""
    healthy, (reward, right, kl) = panels(REWARD, RIGHT, KL)
    curve(reward, runs.steps("healthy", "reward", smooth=SMOOTH), GOOD, "")
    runs.domains(right, "healthy")
    curve(kl, runs.steps("healthy", "kl"), GOOD, "")
    kl.set_ylim(0, 0.2)

    collapse, (right, kl, entropy) = panels("right in domain, %", KL, "entropy, five steps")
    for run, colour, label in (("healthy", GOOD, "2e-4"), ("fast", BAD, "2e-3")):
        curve(right, runs.held(run, "mosaic-id"), colour, label, "o")
        curve(kl, runs.steps(run, "kl"), colour, label)
        curve(entropy, runs.steps(run, "entropy", smooth=SMOOTH), colour, label)
    right.set_ylim(-3, 103)
    entropy.set_ylim(0, 0.3)

    noise, (reward, right, kl) = panels(REWARD, RIGHT, KL)
    curve(reward, runs.steps("noise", "reward", smooth=SMOOTH), BAD, "noise")
    runs.domains(right, "noise")
    for run, colour in (("noise", BAD), ("healthy", GOOD)):
        curve(kl, runs.steps(run, "kl"), colour, run)
    reward.set_ylim(0, 1)
    kl.set_ylim(0, 0.05)

    hacked, (judge, right, kl) = panels("what orm gives", RIGHT, KL)
    for benchmark, (label, colour) in DOMAINS.items():
        curve(judge, runs.held("orm", benchmark, "orm", 1), colour, label, "o")
    runs.domains(right, "orm")
    for run, colour in (("orm", BAD), ("healthy", GOOD)):
        curve(kl, runs.steps(run, "kl"), colour, run)

    beta, (right, chosen, rejected) = panels("right in domain, %", "chosen, nats", "rejected, nats")
    for run, colour, label in (("dpo", GOOD, "β 1"), ("beta", BAD, "β 0.1")):
        curve(right, runs.held(run, "mosaic-id"), colour, label, "o")
        curve(chosen, runs.steps(run, "chosen_change"), colour, label)
        curve(rejected, runs.steps(run, "rejected_change"), colour, label)
    right.set_ylim(-3, 103)
    chosen.set_ylim(-50, 3)
    rejected.set_ylim(-50, 3)

    flat, (share,) = panels("groups of equal rewards, %")
    curve(share, runs.steps("flat", "zero_variance_groups", 100 / 32), BAD, "groups of 2, strict")
    curve(share, runs.steps("healthy", "zero_variance_groups", 100 / 8)[:15], GOOD, "groups of 8, ½ soft")
    share.set_ylim(-3, 103)

    lenient = before_and_after(runs.folder / "lenient" / "pictures")
    made = {"healthy": healthy, "collapse": collapse, "noise": noise, "hacked": hacked, "beta": beta}
    return {**made, "flat": flat, "lenient": lenient}


if __name__ == "__main__":
    with drawing_style("pitfalls"):
        for name, figure in figures(Runs(Path(sys.argv[1]))).items():
            figure.savefig(path := HERE / f"pitfalls-{name}.png", dpi=DENSITY)
            Image.open(path).convert("RGB").quantize(COLOUR_COUNT).save(path, optimize=True)
