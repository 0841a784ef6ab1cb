"""Timings in turns: what is compared, and how."""

import time

import pytest
import torch

from tessera import products
from tessera.bench import ratio as ratios
from tessera.bench.ratio import (
    Clock,
    Phases,
    Spread,
    in_turns,
    of_others,
    rate,
    ratio,
    with_our_products,
)
from tessera.products import makers

CPU = Clock(torch.device("cpu"))


def test_ratios_are_made_round_by_round() -> None:
    """By hand: 4/2, 9/3, 5/5; the ratio of the medians would be 5/3."""
    assert ratio([4.0, 9.0, 5.0], [2.0, 3.0, 5.0]) == Spread(median=2.0, low=1.0, high=3.0)


def test_a_rate_is_amount_by_seconds() -> None:
    assert rate(8, [2.0, 4.0, 1.0]) == Spread(median=4.0, low=2.0, high=8.0)


def test_works_take_turns_and_another_begins_each_round() -> None:
    done: list[str] = []
    works = {name: lambda name=name: done.append(name) for name in "abc"}
    seconds = in_turns(CPU, works, 4)
    assert "".join(done) == "abcbcacababc"
    assert {name: len(each) for name, each in seconds.items()} == {"a": 4, "b": 4, "c": 4}


@pytest.mark.parametrize("pays", [True, False])
def test_others_run_with_torchs_products_and_with_ours_where_these_differ(
    pays: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ratios, "onednn_pays", lambda: pays)
    monkeypatch.setattr(products, "onednn_pays", lambda: pays)
    ran: list[str] = []
    works = of_others({"theirs": lambda: ran.append(makers())})
    for work in works.values():
        work()
    both = {"theirs": "torch’s choice", "theirs, our products": "oneDNN for linear layers"}
    named = dict(zip(works, ran, strict=True))
    assert named == (both if pays else {"theirs": "torch’s choice"})


def test_ratios_with_our_products_stand_apart() -> None:
    seconds = {"ours": [2.0], "theirs": [6.0], "theirs, our products": [3.0]}
    assert with_our_products(seconds) == {"theirs, our products": Spread(median=1.5, low=1.5, high=1.5)}


def test_on_one_thread_of_a_cpu_waiting_costs_nothing() -> None:
    """A processor's seconds: 0.2 s asleep are far less than 0.1 s of them."""
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        assert CPU.kind == "cpu"
        assert CPU.seconds(lambda: time.sleep(0.2)) < 0.1
        torch.set_num_threads(2)
        assert CPU.kind == "wall"
        assert CPU.seconds(lambda: time.sleep(0.2)) >= 0.2
    finally:
        torch.set_num_threads(threads)


def test_phases_add_up_by_name() -> None:
    phases = Phases(CPU)
    for _ in range(3):
        with phases.phase("a"):
            sum(range(10_000))
    with phases.phase("b"):
        pass
    assert phases.seconds.keys() == {"a", "b"}
    assert phases.seconds["a"] > phases.seconds["b"] >= 0
