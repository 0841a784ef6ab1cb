"""`tessera bench rollout` on a GPU tells what recording brings."""

import json

import pytest

from tessera.bench.rollout import BY_STEPS
from tessera.cli import bench

pytestmark = pytest.mark.gpu


@pytest.mark.filterwarnings("ignore")  # transformers warns of its own settings
def test_a_small_janus_is_drawn_faster_by_replay(device: object, capsys: pytest.CaptureFixture[str]) -> None:
    """Python needs milliseconds for a step of six layers, which such a GPU does in a tenth of that."""
    words = ("rollout", "--policy", "random:janus-small", "--batch", "4", "--group", "4", "--repeats", "2")
    assert bench.run([*words, "--device", str(device), "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["batches"]
    assert row["ratio_of_replay"]["median"] > 1.5
    assert row["images_per_second"]["ours"]["median"] > row["images_per_second"][BY_STEPS]["median"]
    assert row["near_ties"].keys() == {"growing cache", "generate", BY_STEPS}
