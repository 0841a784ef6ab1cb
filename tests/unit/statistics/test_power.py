"""Planning: the variances of a pilot, and power against simulated studies."""

from dataclasses import replace

import numpy as np
import pytest
from jaxtyping import Float64
from numpy import ndarray

from tessera.statistics.hierarchical import contrast
from tessera.statistics.power import (
    TYPICAL,
    TYPICAL_ARM,
    Arm,
    Components,
    arm_from,
    picture_variance,
    power,
    prompt_variance,
    prompts_needed,
    smallest_difference,
)

BASE = replace(TYPICAL, old=Arm(seed=0.0, interaction=0.0, picture=0.15, fixed=True))
UNSTEADY = Components(prompt=0.01, new=replace(TYPICAL_ARM, seed=0.001), old=replace(TYPICAL_ARM, seed=0.001))


def draw(
    rng: np.random.Generator, arm: Arm, shape: tuple[int, int, int], prompt_P: Float64[ndarray, " P"]
) -> Float64[ndarray, "S P G"]:
    """Returns normal scores with the variances of an arm."""
    seeds, prompts, _ = shape
    seed_S11 = np.sqrt(arm.seed) * rng.standard_normal((seeds, 1, 1))
    both_SP1 = np.sqrt(arm.interaction) * rng.standard_normal((seeds, prompts, 1))
    return prompt_P[:, None] + seed_S11 + both_SP1 + np.sqrt(arm.picture) * rng.standard_normal(shape)


# --- power -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("components", [TYPICAL, BASE, UNSTEADY], ids=["arms", "base", "unsteady"])
@pytest.mark.parametrize("seeds", [1, 3, 5])
def test_studies_find_a_difference_as_often_as_predicted(components: Components, seeds: int) -> None:
    """500 studies: standard error 1.8 %; a correct program leaves 6 % with a chance of one in a thousand."""
    prompts, pictures = 240, 2
    found = smallest_difference(components, wanted=0.8, prompts=prompts, pictures=pictures, seeds=seeds)
    assert found is not None
    rng = np.random.default_rng(seeds)
    category_P = [str(column % 6) for column in range(prompts)]
    hits = 0
    for _ in range(500):
        difference_P = found + np.sqrt(components.prompt) * rng.standard_normal(prompts)
        arms = []
        for arm, prompt_P in ((components.new, difference_P), (components.old, np.zeros(prompts))):
            count = 1 if arm.fixed else seeds
            # The claim of a single seed is about that policy: its own mean is the truth.
            steady = replace(arm, seed=0.0) if seeds == 1 else arm
            arms.append(draw(rng, steady, (count, prompts, pictures), prompt_P).mean(axis=2))
        hits += contrast(arms, [1.0, -1.0], category_P).p_value() < 0.05
    assert hits / 500 == pytest.approx(0.8, abs=0.06)


def test_one_seed_of_each_is_the_paired_test_of_the_textbook() -> None:
    """V = (.01 + 2 (.005 + .15/2))/360 = .17/360; .8 is reached at (1.96 + .84) standard errors."""
    expected = (1.959964 + 0.841621) * np.sqrt(0.17 / 360)
    found = smallest_difference(TYPICAL, wanted=0.8, prompts=360, pictures=2, seeds=1)
    assert found == pytest.approx(expected, rel=0.01)
    # (2.80 / .05)^2 * .17 = 534, and a few for Student's t
    assert prompts_needed(TYPICAL, 0.05, wanted=0.8, pictures=2, seeds=1) == pytest.approx(535, abs=3)


def test_no_difference_is_found_as_often_as_the_level_allows() -> None:
    for seeds in (1, 3, 5):
        assert power(TYPICAL, 0.0, prompts=360, pictures=2, seeds=seeds) == pytest.approx(0.05, abs=0.015)


def test_power_grows_with_all_that_is_measured() -> None:
    size = {"prompts": 300, "pictures": 2, "seeds": 3}
    least = power(TYPICAL, 0.05, **size)
    assert all(power(TYPICAL, 0.05, **{**size, name: 2 * count}) > least for name, count in size.items())
    assert power(TYPICAL, 0.07, **size) == power(TYPICAL, -0.07, **size) > least


def test_no_number_of_prompts_makes_up_for_unsteady_seeds() -> None:
    assert prompts_needed(UNSTEADY, 0.05, wanted=0.8, pictures=2, seeds=3) is None
    wild = replace(UNSTEADY, new=replace(TYPICAL_ARM, seed=0.5))
    assert smallest_difference(wild, wanted=0.8, prompts=300, pictures=2, seeds=2) is None


def test_the_prompts_needed_are_the_fewest() -> None:
    size = {"pictures": 2, "seeds": 5}
    needed = prompts_needed(TYPICAL, 0.05, wanted=0.8, **size)
    assert needed is not None
    assert power(TYPICAL, 0.05, prompts=needed, **size) >= 0.8
    assert power(TYPICAL, 0.05, prompts=needed - 1, **size) < 0.8


def test_nothing_that_varies_is_refused() -> None:
    still = Arm(seed=0.0, interaction=0.0, picture=0.0)
    with pytest.raises(ValueError, match="nothing varies"):
        power(Components(prompt=0.0, new=still, old=still), 0.1, prompts=10, pictures=1, seeds=3)


# --- the variances of a pilot ----------------------------------------------------------------------


def test_variances_of_a_large_pilot_are_found() -> None:
    """40 seeds, 600 prompts: a variance of 40 seeds has a standard error of 22 %, the others of 2 % or less;
    a correct program leaves these bounds with a chance below 1e-3."""
    rng = np.random.default_rng(0)
    true = Arm(seed=0.002, interaction=0.02, picture=0.1)
    category_P = [str(column % 3) for column in range(600)]
    difficulty_P = rng.standard_normal(600)
    score_SPG = draw(rng, true, (40, 600, 3), difficulty_P)
    arm = arm_from(score_SPG, category_P)
    assert arm.picture == pytest.approx(0.1, rel=0.05)
    assert arm.interaction == pytest.approx(0.02, rel=0.1)
    assert arm.seed == pytest.approx(0.002, rel=0.7)
    shift_P = 0.2 * rng.standard_normal(600)
    other = Arm(seed=0.0, interaction=0.0, picture=0.1, fixed=True)
    other_SPG = draw(rng, other, (1, 600, 3), difficulty_P + shift_P)
    assert picture_variance(other_SPG, category_P) == pytest.approx(0.1, rel=0.2)
    assert prompt_variance(score_SPG, other_SPG, arm, other, category_P) == pytest.approx(0.04, rel=0.35)


def test_variances_by_hand() -> None:
    """Two seeds, two prompts, two pictures. Seed and prompt add up in the means, so no interaction is left
    beyond the pictures' luck; pictures differ by 1/2: variance 1/8."""
    mean_SP = np.array([[0.25, 0.5], [0.5, 0.75]])
    score_SPG = mean_SP[:, :, None] + np.array([-0.25, 0.25])
    arm = arm_from(score_SPG, ["a", "a"])
    assert (arm.picture, arm.interaction) == pytest.approx((0.125, 0))
    assert arm.seed == pytest.approx(
        0.25**2 / 2
    )  # the variance of two numbers .25 apart; no rest to take off


def test_one_seed_or_one_picture_cannot_tell_variances_apart() -> None:
    for shape in ((1, 4, 2), (2, 4, 1)):
        with pytest.raises(ValueError, match="two seeds and two pictures"):
            arm_from(np.zeros(shape), ["a"] * 4)
