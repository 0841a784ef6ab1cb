"""The shipped weights are what their provenance says: size, digest, round trip, and room to learn."""

import math
from importlib.resources import files

from tessera.benchmarks.load import load_benchmark
from tessera.config import to_plain
from tessera.policies.load import load_policy, read_shipped
from tessera.pretraining.build import BENCHMARKS, BuildConfig, shipped_provenance
from tessera.pretraining.tokenizer import round_trip

MEGABYTE = 2**20


def test_all_assets_together_stay_below_eight_megabytes() -> None:
    assets = files("tessera.policies.mosaic") / "assets"
    assert sum(len(path.read_bytes()) for path in assets.iterdir()) < 8 * MEGABYTE


def test_the_provenance_belongs_to_the_weights_and_to_the_configuration_in_the_code() -> None:
    provenance = shipped_provenance()
    assert provenance is not None
    policy = load_policy("mosaic")
    assert provenance["digest"] == policy.digest()
    assert provenance["parameters"] == sum(parameter.numel() for parameter in policy.parameters())
    # Changing a default without rebuilding the weights would leave a recipe that does not make them.
    assert provenance["config"] == to_plain(BuildConfig())


def test_the_tokenizer_brings_scenes_back_exactly() -> None:
    """2,000 scenes; the claim is 99.5 %, the provenance's own figure is repeated here."""
    result = round_trip(read_shipped().tokenizer, 2000, seed=1)
    assert result["exact"] >= 0.995
    provenance = shipped_provenance()
    assert provenance is not None
    assert math.isclose(result["exact"], provenance["round_trip"]["exact"], abs_tol=0.002)


def test_the_base_is_imperfect_where_reinforcement_learning_needs_room() -> None:
    provenance = shipped_provenance()
    assert provenance is not None
    inside, outside = (provenance["summary"][name] for name in BENCHMARKS)
    assert 0.25 <= inside["overall"]["mean"] <= 0.45
    assert 0.45 <= outside["overall"]["mean"] <= 0.70
    for name, result in zip(BENCHMARKS, (inside, outside), strict=True):
        assert tuple(result["categories"]) == load_benchmark(name).categories
        for estimate in result["categories"].values():
            assert estimate["ci_low"] > 0.02  # a picture drawn for another prompt is right in fewer cases
            assert estimate["mean"] < 0.97
