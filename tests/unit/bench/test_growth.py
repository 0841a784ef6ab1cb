"""Curves of cost: exponents by hand, real work at every point, and no point above its limit."""

from dataclasses import replace

import pytest
import torch

from tessera.bench.growth import AXES, SIZES, Place, _task, bench_growth, exponent
from tessera.bench.policies import janus_of

CPU = torch.device("cpu")


def test_an_exponent_is_the_slope_of_the_upper_half() -> None:
    """Flat, then cubic from 4 on: three of five points."""
    assert exponent([1, 2, 4, 8, 16], [64, 64, 64, 512, 4096]) == pytest.approx(3.0)
    assert exponent([1, 2], [5, 10]) == pytest.approx(1.0)
    assert exponent([1], [5]) is None


def test_the_first_point_is_always_measured_and_none_above_the_limit() -> None:
    found = bench_growth(["batch"], device=CPU, limit=1e-6, repeats=1)
    assert [(curve["what"], len(curve["points"])) for curve in found["curves"]] == [
        ("draw", 1),
        ("update", 1),
    ]
    for curve in found["curves"]:
        assert curve["left_out"] == [2, 4, 8, 16, 32, 64]
        assert curve["points"][0]["seconds"] > 0
        assert curve["points"][0]["peak_bytes"] > 0
        assert curve["exponents"]["seconds"] is None


def test_groups_are_drawn_alone_and_at_as_many_pictures() -> None:
    assert {place.pictures for place in AXES["group"]} == {32}
    assert all(place.value * place.prompts == 32 for place in AXES["group"])


@pytest.mark.parametrize("what", ["draw", "update"])
def test_work_doubles_with_the_batch_but_for_the_prompt_that_a_group_shares(what: str) -> None:
    one, two, four = (_task(Place(value=n, pictures=n), what, CPU).flops for n in (1, 2, 4))  # pyright: ignore[reportArgumentType]
    assert four - two == pytest.approx(2 * (two - one))
    assert (two / one == pytest.approx(2.0)) is (what == "update")


def test_layers_are_linear_in_the_tokens_of_an_update_and_attention_is_quadratic() -> None:
    """By hand: 4 passes of 2 branches over 65 + T places of 4 layers of width 128; 5 passes of the head."""
    sizes = replace(SIZES, grid=16)
    layer = 4 * 128**2 + 3 * 128 * 352
    features = 128 * 128  # the head's own layer before the affine one, of every image token
    for place, tokens in (
        (Place(value=64, pictures=1), 64),
        (Place(value=256, pictures=1, sizes=sizes), 256),
    ):
        policy, length = janus_of(place.sizes), 65 + tokens
        head = tokens * 2 * 128 * policy.spec.codebook
        expected = 4 * 2 * length * (2 * (4 * layer + features) + 4 * 4 * 128 * length) + 5 * head
        assert _task(place, "update", CPU).flops == pytest.approx(expected, rel=0.1)


def test_both_kinds_of_work_run_and_an_update_moves_nothing() -> None:
    task = _task(Place(value=1, pictures=1), "update", CPU)
    before = [each.clone() for each in task.held]
    task.run()
    assert all(torch.equal(one, two) for one, two in zip(before, task.held, strict=True))
    _task(Place(value=1, pictures=1), "draw", CPU).run()
