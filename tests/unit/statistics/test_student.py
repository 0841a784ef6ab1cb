"""Student's t: SciPy's numbers, without SciPy in the package."""

import numpy as np
import pytest
from scipy import stats

from tessera.statistics.student import t_cdf, t_quantile


@pytest.mark.parametrize("df", [1.0, 1.37, 2.0, 4.0, 11.5, 300.0, 5e4, 2e5])
def test_distribution_and_quantile_are_those_of_scipy(df: float) -> None:
    for t in (-40.0, -2.0, -0.1, 0.0, 0.3, 1.96, 12.7):
        assert t_cdf(t, df) == pytest.approx(stats.t.cdf(t, df), rel=1e-4, abs=1e-12)
    for p in (0.5, 0.8, 0.975, 0.9995):
        assert t_quantile(p, df) == pytest.approx(stats.t.ppf(p, df), rel=2e-5, abs=1e-9)


def test_at_one_degree_of_freedom_it_is_cauchy() -> None:
    assert t_cdf(1.0, 1.0) == pytest.approx(0.75)  # 1/2 + atan(1)/pi
    assert t_quantile(0.975, 1.0) == pytest.approx(12.7062, abs=1e-4)


def test_the_fraction_holds_on_a_wide_grid() -> None:
    for df in np.geomspace(1, 9e4, 60).tolist():
        for t in np.geomspace(1e-3, 1e3, 60).tolist():
            assert t_cdf(-t, df) == pytest.approx(stats.t.cdf(-t, df), rel=1e-8, abs=1e-300)


@pytest.mark.parametrize("p", [0.2, 1.0])
def test_the_lower_half_is_refused(p: float) -> None:
    with pytest.raises(ValueError, match=r"p must lie in \[0.5, 1\)"):
        t_quantile(p, 3.0)
