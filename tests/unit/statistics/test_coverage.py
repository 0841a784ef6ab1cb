"""How often the intervals hold, over simulated studies of known truth.

2,000 studies per case tell a coverage of 95 % up to a standard error of 0.5 %. Over these cases 20,000
studies each have found coverages of 94.3 to 96.9 %, the highest between two arms of three seeds, where the
interval errs on the wide side. The seeds are fixed, so a correct program passes always; with other seeds it
would leave 93 to 97 % in that case two times in five, and in the others rarely.
"""

import numpy as np
import pytest

from tessera.statistics.hierarchical import arm_score, contrast
from tests.unit.statistics.simulated import CATEGORIES, MEAN, SIZES, measured_arms

STUDIES = 2_000
WITHOUT, WITH = 0.0, 0.03  # standard deviation of training seeds; prompts alone give .02 to .03


@pytest.mark.slow
@pytest.mark.parametrize(
    ("seeds", "seed_sd"), [(1, WITHOUT), (3, WITHOUT), (5, WITHOUT), (3, WITH), (5, WITH)]
)
def test_the_interval_of_an_arm_covers_its_score(seeds: int, seed_sd: float) -> None:
    rng = np.random.default_rng(seeds)
    covered = 0
    for _ in range(STUDIES):
        effect = arm_score(measured_arms(rng, [seeds], seed_sd)[0], CATEGORIES)
        covered += effect.ci_low <= MEAN <= effect.ci_high
    assert 0.93 <= covered / STUDIES <= 0.97


@pytest.mark.slow
@pytest.mark.parametrize(
    ("seeds", "seed_sd"),
    [
        ((1, 1), WITHOUT),
        ((3, 1), WITHOUT),
        ((3, 3), WITHOUT),
        ((5, 5), WITHOUT),
        ((3, 1), WITH),
        ((3, 3), WITH),
        ((5, 5), WITH),
    ],
)
def test_no_difference_is_called_one_in_five_of_a_hundred_studies(
    seeds: tuple[int, int], seed_sd: float
) -> None:
    """The interval covers 0 where p is 0.05 or more, so this is its coverage too."""
    rng = np.random.default_rng(10 * seeds[0] + seeds[1])
    called = 0
    for _ in range(STUDIES):
        effect = contrast(measured_arms(rng, seeds, seed_sd), [1.0, -1.0], CATEGORIES)
        called += effect.p_value() < 0.05
    assert 0.03 <= called / STUDIES <= 0.07


@pytest.mark.slow
def test_resampling_three_seeds_would_cover_too_little() -> None:
    """Why there is no bootstrap, and a check that these simulations can fail an interval: seeds are drawn
    again with replacement, prompts get Poisson weights within their category. Where seeds vary much, the
    interval reaches about from the worst of three to the best, which covers in three studies of four."""
    rng = np.random.default_rng(3)
    starts = np.cumsum([0, *SIZES[:-1]])
    bootstrap = crossed = 0
    for _ in range(300):
        score_SP = measured_arms(rng, [3], 4 * WITH)[0]
        weight_RS = rng.multinomial(3, [1 / 3] * 3, size=500) / 3
        drawn_RP = rng.poisson(1.0, (500, len(CATEGORIES)))
        weight_RP = drawn_RP / np.repeat(np.add.reduceat(drawn_RP, starts, axis=1), SIZES, axis=1)
        means_R = ((weight_RS @ score_SP) * weight_RP).sum(axis=1) / len(SIZES)
        low, high = np.quantile(means_R, [0.025, 0.975])
        bootstrap += low <= MEAN <= high
        effect = arm_score(score_SP, CATEGORIES)
        crossed += effect.ci_low <= MEAN <= effect.ci_high
    assert bootstrap / 300 < 0.87
    assert crossed / 300 > 0.91
