"""What grows with a store, a run or a file of prompts grows no faster, and does not all lie in memory.

Nothing here is timed: calls are counted, or peaks of memory compared, at two sizes. What the sizes cost in
seconds, `python -m tests.performance.growth` measures.
"""

import json
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from tessera.algorithms.dpo import DPO, DPOConfig, _permutation
from tessera.benchmarks.summary import summarise
from tessera.cli import train_lines
from tessera.data.pairs import ScoredStore, read_scored, summary
from tessera.data.store import RolloutStore
from tessera.data.streams import listed_stream, take
from tessera.errors import CheckpointError
from tessera.objective import pairing
from tessera.objective.pairing import all_pairs, random_pairs, widest_pairs
from tessera.report.evaluation.read import read_records
from tessera.statistics import intervals
from tessera.storage import cut_jsonl, drop_torn_line, read_jsonl, write_lines
from tessera.tensors import Rollouts, Scores
from tessera.training.metrics import write_line
from tessera.types import EvalRecord, Grade, Prompt, View
from tests.tiny import context

GROUP = 4


def peak(work: Callable[[], object]) -> int:
    """Returns the bytes that the work needs at most, of what Python and NumPy ask for."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


class Word(str):
    """A name that counts how often names are compared."""

    __slots__ = ()
    compared = 0

    def __eq__(self, other: object) -> bool:
        Word.compared += 1
        return str.__eq__(self, other)

    def __hash__(self) -> int:
        return str.__hash__(self)


def comparisons(work: Callable[[], object]) -> int:
    """Returns how many names the work compares."""
    Word.compared = 0
    work()
    return Word.compared


def prompts(count: int) -> list[Prompt]:
    """Returns prompts, each a category of its own."""
    return [Prompt(id=str(place), text=f"a {place}", category=Word(f"c{place}")) for place in range(count)]


def rows(count: int) -> Iterator[dict[str, Any]]:
    return ({"step": number, "text": "a red star" * 4} for number in range(count))


@pytest.mark.parametrize("work", ["written", "cut", "torn"])
def test_a_file_of_ten_times_the_rows_takes_no_more_memory(tmp_path: Path, work: str) -> None:
    """All of it was joined before it was written, and read to find its last line: 10 times the memory."""

    def needs(count: int) -> int:
        path = tmp_path / f"{count}.jsonl"
        if work == "written":
            return peak(lambda: write_lines(path, rows(count)))
        write_lines(path, rows(count))
        if work == "cut":
            return peak(lambda: cut_jsonl(path, lambda row: row["step"] < count - 1))
        with path.open("a") as file:
            file.write('{"step": ')
        return peak(lambda: drop_torn_line(path))

    few, many = needs(3_000), needs(30_000)
    assert many < 1.5 * few
    left = sum(1 for _ in read_jsonl(tmp_path / "30000.jsonl"))
    assert left == 30_000 - (work == "cut")


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store of 6 prompts with 4 rollouts each, in 3 parts, whose first token is the row."""
    digests = {"policy": "p", "reward": "r"}
    header = {"prompts": 6, "group": GROUP, "prompts_per_part": 2, "seed": 0}
    made = RolloutStore.open(tmp_path / "store", header, View(), **digests)
    for part in range(3):
        asked = [prompts(6)[place] for place in (2 * part, 2 * part + 1) for _ in range(GROUP)]
        row_B = torch.arange(8) + 8 * part
        rollouts = Rollouts(
            prompts=tuple(prompt.text for prompt in asked),
            samples=tuple(range(GROUP)) * 2,
            seeds=tuple(row_B.tolist()),
            tokens=torch.stack([row_B, row_B], dim=1),
            logp=torch.zeros(8, 2),
            view=View(),
            policy_digest="p",
        )
        made.write_rollouts(part, asked, rollouts)
        made.write_scores(part, Scores(value_B=row_B.double(), reasons=("",) * 8, digest="r"))
    return tmp_path / "store"


def test_of_a_store_only_the_part_of_the_pair_that_is_shown_is_read(store: Path) -> None:
    """All rollouts were read, and put side by side for every pair of a page."""
    for part in (0, 2):
        path = store / f"part_{part:05d}.safetensors"
        path.write_bytes(path.read_bytes()[:-1])  # whoever reads it fails
    scored = read_scored(store)
    pairs = scored.paired(widest_pairs(scored.reward_PG))
    shown = scored.pair(pairs, 3)  # of the prompt in the middle part: rows 12 to 15
    assert (shown.prompt.id, shown.chosen, shown.rejected) == ("3", 15, 12)
    assert scored.tokens(shown)[:, 0].tolist() == [15, 12]
    with pytest.raises(CheckpointError, match="damaged"):
        scored.tokens(scored.pair(pairs, 0))


def test_a_pairing_of_many_categories_compares_names_as_often_as_there_are_prompts(store: Path) -> None:
    """Every category looked through all pairs: a file may give every prompt its own."""
    made = read_scored(store)

    def needs(count: int) -> int:
        reward_PG = torch.rand(count, GROUP, dtype=torch.float64)
        scored = ScoredStore(
            store=made.store, seed=0, prompts=tuple(prompts(count)), reward_PG=reward_PG, prompts_per_part=2
        )
        pairs = scored.paired(all_pairs(reward_PG))
        return comparisons(lambda: summary(scored, pairs))

    assert needs(20) <= 2 * 20
    assert needs(400) <= 2 * 400


def test_a_summary_of_many_categories_compares_names_as_often_as_there_are_records() -> None:
    """Every category looked through all records."""

    def needs(count: int) -> int:
        records = [
            EvalRecord(
                benchmark="b",
                category=prompt.category,
                prompt_id=prompt.id,
                prompt=prompt.text,
                sample=0,
                seed=0,
                grade=Grade(strict=1.0, soft=1.0),
                tokens=(),
            )
            for prompt in prompts(count)
        ]
        categories = {"b": [prompt.category for prompt in prompts(count)]}
        return comparisons(lambda: summarise(records, categories))

    assert needs(20) <= 20 * 20
    assert needs(200) <= 20 * 200


class Blocks(tuple):
    """Categories that count how often they are gone through."""

    walks = 0

    def __iter__(self) -> Iterator[Any]:
        Blocks.walks += 1
        return super().__iter__()


def test_a_position_of_a_stream_does_not_go_through_all_categories() -> None:
    """It did, so an epoch of prompts that are categories of their own took quadratic time."""
    stream = listed_stream("many", prompts(300))
    walked = replace(stream, blocks=Blocks(stream.blocks))
    Blocks.walks = 0
    assert take(walked, 0, 0, 300) == take(stream, 0, 0, 300)
    assert Blocks.walks < 10  # 300 if each position did; a check of types looks at `categories`


class Largest(TorchDispatchMode):
    """Notes the largest tensor that anything returns."""

    def __init__(self) -> None:
        super().__init__()
        self.numel = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, torch.Tensor):
                self.numel = max(self.numel, leaf.numel())
        return result


def pairings(reward_PG: torch.Tensor) -> list[pairing.PairIndex]:
    """Returns what each way to pair gives."""
    generator = torch.Generator().manual_seed(0)
    return [
        widest_pairs(reward_PG, per_prompt=3),
        random_pairs(reward_PG, generator, per_prompt=3),
        all_pairs(reward_PG, margin=0.5),
    ]


def test_pairing_holds_so_many_couples_at_once_and_the_blocks_change_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All couples of all prompts were held: 4 GB at a million rollouts in groups of 64."""
    reward_PG = torch.rand(500, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    reward_PG[::7, 3] = torch.nan
    whole = pairings(reward_PG)  # 32,000 couples: one block
    monkeypatch.setattr(pairing, "COUPLES", 6_500)
    with Largest() as largest:
        in_blocks = pairings(reward_PG)
    assert largest.numel <= 6_500
    for one, other in zip(whole, in_blocks, strict=True):
        for name in ("prompt", "chosen", "rejected", "margin"):
            assert torch.equal(getattr(one, name), getattr(other, name))
        assert (one.missing, one.empty_groups, one.no_contrast_groups) == (
            other.missing,
            other.empty_groups,
            other.no_contrast_groups,
        )


def test_a_rollout_that_is_in_many_pairs_is_held_once(tmp_path: Path) -> None:
    """Each pair held its own copies: of eight pictures there are 28 pairs."""
    settings = DPOConfig(prompts=6, group=GROUP, pairing="all", pairs_per_step=4)
    found = DPO(settings, View(guidance=2.0), steps=30).collect(context(tmp_path), 0)
    assert (len(found), len(found.rollouts.tokens_BT)) == (6 * 6, 6 * GROUP)
    assert len(found.rollouts.text) == 6


def test_the_order_of_an_epoch_is_drawn_once_not_at_every_step(tmp_path: Path) -> None:
    """Drawing it takes as long as there are pairs, so an epoch took quadratic time."""
    here = context(tmp_path)
    settings = DPOConfig(prompts=6, group=GROUP, pairing="all", pairs_per_step=4)
    algorithm = DPO(settings, View(guidance=2.0), steps=18)
    collected = algorithm.collect(here, 0)
    _permutation.cache_clear()
    for step in range(18):  # 72 places: two epochs of 36 pairs
        algorithm.batch(here, collected, step)
    assert _permutation.cache_info().misses == 2


def test_resamples_of_four_times_the_prompts_take_no_more_memory() -> None:
    """All resamples of all prompts were drawn at once: 3 GB at 100,000 prompts."""
    few, many = (peak(lambda n=n: intervals.estimate(np.linspace(0, 1, n))) for n in (2_000, 8_000))
    assert many < 1.5 * few


def test_resamples_are_the_same_however_many_are_drawn_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    means_P = np.random.default_rng(3).random(101)
    whole = intervals.estimate(means_P, 5)
    for drawn in (1, 101 * 3, 101 * 1_999):
        monkeypatch.setattr(intervals, "DRAWN", drawn)
        assert intervals.estimate(means_P, 5) == whole


def test_the_page_of_an_evaluation_does_not_hold_tokens(tmp_path: Path) -> None:
    """A picture's 576 tokens take 20 kB, its verdict less than one."""

    def needs(tokens: int) -> int:
        row = EvalRecord(
            benchmark="b",
            category="c",
            prompt_id="0",
            prompt="a star",
            sample=0,
            seed=0,
            grade=Grade(strict=1.0, soft=1.0),
            tokens=tuple(range(1_000, 1_000 + tokens)),
        ).to_json()
        write_lines(tmp_path / "eval.jsonl", (row for _ in range(300)))
        return peak(lambda: read_records(tmp_path))

    few, many = needs(8), needs(576)
    assert many < 1.5 * few


def test_looks_for_alarms_see_a_bounded_number_of_rows_per_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every step looked at all steps before it: 0.6 s a step at 100,000 steps."""
    monkeypatch.setattr(train_lines, "LOOKS", 5)
    looked: list[int] = []
    alarms_of = train_lines.run_alarms

    def counted(run: Any) -> Any:
        looked.append(len(run.metrics))
        return alarms_of(run)

    monkeypatch.setattr(train_lines, "run_alarms", counted)

    def needs(steps: int) -> int:
        (folder := tmp_path / str(steps)).mkdir()
        (folder / "config.json").write_text(json.dumps({"steps": steps}))
        lines = train_lines.AlarmLines(folder)
        looked.clear()
        for number in range(1, steps + 1):
            lines(write_line(folder, {"step": number, "reward": 0.5}))
        return sum(looked)

    few, many = needs(40), needs(160)
    assert many < 1.25 * 4 * few  # 16 times as many if each step looked at all
