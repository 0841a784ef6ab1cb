"""Where the sampler replays, it is timed beside its own loop; a tape stands for the GPU's graphs."""

import pytest
import torch

from tessera.bench import rollout
from tessera.bench.limits import Limits
from tessera.policies.tiny import tiny_policy
from tessera.sampling import captured
from tessera.sampling.captured import Loops
from tessera.types import View
from tests.unit.sampling.tape import Tape

LIMITS = Limits(bytes_per_second=1e10, flops=1e11)


def test_replay_is_timed_beside_the_loop_that_it_replaces(monkeypatch: pytest.MonkeyPatch) -> None:
    tapes: list[Tape] = []

    def make(device: torch.device) -> Tape:
        tapes.append(Tape())
        return tapes[-1]

    loops = Loops(make, lambda device: 0)
    monkeypatch.setattr(captured, "_LOOPS", loops)
    monkeypatch.setattr(captured, "can_capture", lambda policy, device: True)
    monkeypatch.setattr(rollout, "can_capture", lambda policy, device: True)
    policy = tiny_policy("llamagen-tiny")
    result = rollout.bench_rollout(
        policy, ["7", "8"], View(guidance=2.0), LIMITS, batch=3, group=2, repeats=1
    )
    speed = {name: each["median"] for name, each in result["images_per_second"].items()}
    assert result["ratio_of_replay"]["median"] == pytest.approx(speed["ours"] / speed[rollout.BY_STEPS])
    assert result["near_ties"] == {"growing cache": 0, rollout.BY_STEPS: 0}
    assert len(tapes) == 2  # the likeliest tokens, and those that are timed
    assert loops.count(policy) == 0  # it is not left behind


def test_where_nothing_is_replayed_there_is_no_such_ratio() -> None:
    policy = tiny_policy("llamagen-tiny")
    result = rollout.bench_rollout(policy, ["7"], View(), LIMITS, batch=1, group=1, repeats=1)
    assert result["ratio_of_replay"] is None
    assert rollout.BY_STEPS not in result["images_per_second"]
