"""How time and memory grow with what is on the disk: rollouts, pairs, evaluations, metrics, prompts.

    OMP_NUM_THREADS=1 python -m tests.performance.growth

Each line is a fresh process over a synthetic folder in the project's own formats: 16 tokens a picture, 8 of a
prompt, parts of 64 as training writes them. Rewards have ties and missing values. The size of a line is the
number of rollouts; evaluations, metrics and prompts are a tenth of that. Memory is the peak (VmHWM) above
what the process held when its imports were done.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from tessera.algorithms.base import Context
from tessera.algorithms.dpo import DPO, DPOConfig
from tessera.algorithms.stages import parts_of
from tessera.benchmarks.layout import RECORDS, SUMMARY
from tessera.benchmarks.summary import summarise
from tessera.cli.pair import run as pair
from tessera.data.overlap import overlaps
from tessera.data.pairs import read_scored
from tessera.data.sources import load_source
from tessera.data.store import RolloutStore
from tessera.data.streams import take
from tessera.policies.mosaic.config import MosaicConfig, TokenizerConfig, TransformerConfig
from tessera.policies.mosaic.policy import MosaicPolicy
from tessera.policies.saved import save_policy
from tessera.report.evaluation import evaluation_page
from tessera.report.training import training_page
from tessera.rng import derive_seed
from tessera.storage import CONFIG, write_json, write_lines
from tessera.tensors import Rollouts, Scores
from tessera.training.metrics import ALWAYS, EVALUATED, METRICS, forget_after
from tessera.types import EvalRecord, Fact, Grade, Prompt, View
from tessera.world.grammar import vocabulary
from tessera.world.prompts import PromptSource, prompt_at
from tests.performance.memory import peak_mib
from tests.tiny import context

GROUP = 8
GRID = 4  # 16 tokens
AT_ONCE = 64  # rollouts of a part
CODEBOOK = 64
SIZES = (10_000, 100_000, 1_000_000)
SHARE = 10  # rollouts for each record, line and prompt of what is no store
MISSING = 1e-3  # share of the rewards
STEPS = 200  # of training, whose pairs are looked up
VIEW = View(guidance=2.0)
Pairing = Literal["widest", "random", "all"]


def policy() -> MosaicPolicy:
    """Returns a policy of few tokens; its weights do not matter."""
    torch.manual_seed(0)
    return MosaicPolicy(
        MosaicConfig(
            tokenizer=TokenizerConfig(
                grid=GRID, patch=32, codebook=CODEBOOK, code_dim=4, encoder_width=16, width=16, blocks=1,
                decoder_width=16,
            ),
            transformer=TransformerConfig(width=32, layers=1, heads=2, mlp_width=64),
            words=vocabulary(),
        )
    )  # fmt: skip


def prompts(count: int) -> list[Prompt]:
    """Returns prompts of the world with names of their own; their words come again after a thousand."""
    source = PromptSource("id")
    drawn = [prompt_at(source, "train", 0, position) for position in range(min(count, 1_000))]
    return [replace(drawn[place % len(drawn)], id=f"{place:06d}") for place in range(count)]


def store_in(folder: Path) -> Path:
    """Returns where a run in the folder has its first round."""
    return folder / "rollouts" / "round_000"


def asking(folder: Path, asked: list[Prompt]) -> Context:
    """Returns what DPO collects with: these prompts, over and over."""
    return replace(
        context(folder, policy=policy()),
        batch_size=AT_ONCE,
        prompts=lambda first, count: [asked[place % len(asked)] for place in range(first, first + count)],
    )


def dpo(size: int, pairing: Pairing = "widest") -> DPO:
    """Returns the algorithm that draws so many rollouts."""
    return DPO(DPOConfig(prompts=size // GROUP, group=GROUP, pairing=pairing), VIEW, steps=10**6)


def write(folder: Path, size: int) -> Callable[[], object]:
    """Rollouts and scores into a store, part by part."""
    here, asked = asking(folder, prompts(size // GROUP)), prompts(size // GROUP)
    parts = parts_of(len(asked), GROUP, AT_ONCE)
    header = {
        "prompts": len(asked),
        "group": GROUP,
        "prompts_per_part": len(parts[0]),
        "seed": derive_seed("round", here.seed, 0),
        "logp_view": "guided",
    }
    drawer, reward = here.policy.digest(), here.reward.digest()
    save_policy(policy(), folder / "policy", torch.float32)
    generator = torch.Generator().manual_seed(0)

    def work() -> None:
        store = RolloutStore.open(store_in(folder), header, VIEW, drawer, reward)
        for number, places in enumerate(parts):
            each = [asked[place] for place in places for _ in range(GROUP)]
            shape = (len(each), GRID * GRID)
            rollouts = Rollouts(
                prompts=tuple(prompt.text for prompt in each),
                samples=tuple(row % GROUP for row in range(len(each))),
                seeds=tuple(range(places.start * GROUP, places.stop * GROUP)),
                tokens=torch.randint(CODEBOOK, shape, generator=generator),
                logp=-torch.rand(shape, generator=generator),
                view=VIEW,
                policy_digest=drawer,
            )
            store.write_rollouts(number, each, rollouts)
            value_B = torch.rand(len(each), generator=generator, dtype=torch.float64).mul(100).round() / 100
            value_B[torch.rand(len(each), generator=generator) < MISSING] = torch.nan
            reasons = tuple("lost" if gone else "" for gone in torch.isnan(value_B).tolist())
            store.write_scores(number, Scores(value_B=value_B, reasons=reasons, digest=reward))

    return work


def collect(folder: Path, size: int, pairing: Pairing) -> Callable[[], object]:
    """What a round of DPO does beside drawing and judging, up to its pairs."""
    here = asking(folder, prompts(size // GROUP))
    (store_in(folder) / "pairs.jsonl").unlink(missing_ok=True)
    return lambda: dpo(size, pairing).collect(here, 0)


def steps(folder: Path, size: int) -> Callable[[], object]:
    """The pairs of `STEPS` steps, of all pairs (left there by the line before)."""
    here, algorithm = asking(folder, prompts(size // GROUP)), dpo(size, "all")
    collected = algorithm.collect(here, 0)
    return lambda: [algorithm.batch(here, collected, step) for step in range(STEPS)]


def show(folder: Path, *words: str) -> Callable[[], object]:
    """`tessera pair FOLDER --show`."""
    page = ["--show", "--policy", str(folder / "policy"), "--out", str(folder / "page"), "--json"]
    return lambda: pair([str(folder), *page, *words])


def evaluation(folder: Path, count: int) -> Callable[[], object]:
    """An evaluation's records to its summary and its page."""
    asked = prompts(count)
    records = (
        EvalRecord(
            benchmark="mosaic-id",
            category=prompt.category,
            prompt_id=prompt.id,
            prompt=prompt.text,
            sample=0,
            seed=place,
            grade=Grade(
                strict=float(place % 3 == 0),
                soft=place % 3 / 2,
                facts=(Fact(kind="color", text="a red star", holds=place % 3 > 0),),
            ),
            tokens=tuple(range(GRID * GRID)),
        )
        for place, prompt in enumerate(asked)
    )
    folder = folder / "eval"
    folder.mkdir(exist_ok=True)
    write_lines(folder / RECORDS, (record.to_json() for record in records))
    write_json(folder / CONFIG, {"policy": "mosaic", "benchmarks": ["mosaic-id"]})

    def work() -> None:
        with (folder / RECORDS).open(encoding="utf-8") as file:
            made = [EvalRecord.from_json(json.loads(line)) for line in file]
        categories = dict.fromkeys(record.category for record in made)
        write_json(folder / SUMMARY, summarise(made, {"mosaic-id": tuple(categories)}))
        evaluation_page(folder)

    return work


def run_page(folder: Path, count: int) -> Callable[[], object]:
    """The metrics of a run to its page, and cut for a resume."""
    folder = folder / "run"
    folder.mkdir(exist_ok=True)
    write_json(folder / CONFIG, {"recipe": "mosaic-grpo", "steps": count})
    noise = np.random.default_rng(0)
    write_lines(
        folder / METRICS,
        (
            {name: float(noise.random()) for name in ALWAYS}
            | {"step": step, "images": 64, "seconds_sample": 0.1, "seconds_update": 0.1}
            for step in range(1, count + 1)
        ),
    )
    write_lines(folder / EVALUATED, ({"step": step, "prompt": "a red star"} for step in range(count)))

    def work() -> None:
        training_page(folder)
        forget_after(folder, count - 1)

    return work


def prompt_file(folder: Path, count: int) -> Callable[[], object]:
    """A file of prompts, each its own category, to an epoch of a stream, its digest, and its overlap."""
    path = folder / "prompts.jsonl"
    rows = ({"prompt": f"a picture of thing {number}", "category": f"c{number}"} for number in range(count))
    write_lines(path, rows)
    tested = [f"the picture of thing {number}" for number in range(count // 2, count + count // 2)]

    def work() -> None:
        stream = load_source(str(path))
        take(stream, 0, 0, count)
        stream.digest()
        overlaps(stream.prompts() or [], tested)

    return work


# Name: (what is made, so that it can be measured; rollouts for each thing of which it has one).
LINES: dict[str, tuple[Callable[[Path, int], Callable[[], object]], int]] = {
    "write": (write, 1),
    "read": (lambda folder, _: lambda: read_scored(store_in(folder)), 1),
    "collect, widest": (lambda folder, size: collect(folder, size, "widest"), 1),
    "collect, random": (lambda folder, size: collect(folder, size, "random"), 1),
    "collect, all": (lambda folder, size: collect(folder, size, "all"), 1),
    f"{STEPS} steps' pairs": (steps, 1),
    "page, stored pairs (all)": (lambda folder, _: show(folder), 1),
    "page, --pairing widest": (lambda folder, _: show(folder, "--pairing", "widest"), 1),
    "evaluation": (evaluation, SHARE),
    "run": (run_page, SHARE),
    "prompt file": (prompt_file, SHARE),
}


def measure(name: str, folder: Path, size: int) -> dict[str, Any]:
    """Returns the seconds and the MiB of one line."""
    torch.set_num_threads(1)
    make, share = LINES[name]
    work = make(folder, size // share)
    before, start = peak_mib(), time.perf_counter()
    work()
    seconds = time.perf_counter() - start
    count = STEPS if make is steps else size // share
    return {"count": count, "seconds": seconds, "before": before, "peak": peak_mib()}


def measured_apart(name: str, folder: Path, size: int, limit: float) -> dict[str, Any] | None:
    """Returns what `measure` says in a process of its own, None where it took too long."""
    command = [sys.executable, "-m", "tests.performance.growth", "--line", name, "--in", str(folder)]
    try:
        done = subprocess.run(
            [*command, "--sizes", str(size)], check=True, stdout=subprocess.PIPE, text=True, timeout=limit
        )
    except subprocess.TimeoutExpired:
        return None
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Prints a line per kind of work and size."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="rollouts")
    parser.add_argument("--lines", nargs="+", choices=LINES, default=list(LINES), help="in this order")
    parser.add_argument("--limit", type=float, default=600.0, help="seconds of a line")
    parser.add_argument("--line", choices=LINES, help="measure this one here and print JSON")
    parser.add_argument("--in", dest="folder", type=Path)
    flags = parser.parse_args()
    if flags.line:
        print(json.dumps(measure(flags.line, flags.folder, flags.sizes[0])))
        return
    for size in flags.sizes:
        with tempfile.TemporaryDirectory(prefix="growth") as folder:
            for name in flags.lines:
                row = measured_apart(name, Path(folder), size, flags.limit)
                if row is None:
                    print(f"{name:26} {size:>9}  stopped after {flags.limit:.0f} s", flush=True)
                    continue
                print(
                    f"{name:26} {size:>9} {row['count']:>9}  {row['seconds']:8.2f} s  "
                    f"{1e6 * row['seconds'] / row['count']:8.1f} us each  "
                    f"{row['peak'] - row['before']:7.0f} MiB above {row['before']:.0f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
