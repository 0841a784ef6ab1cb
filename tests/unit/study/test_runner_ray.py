"""Stages on a Ray cluster of this machine: the same numbers as processes of this machine."""

from pathlib import Path

import pytest

from tessera.study.runner_ray import open_ray
from tests.unit.study.test_study import rows_of
from tests.unit.study.tiny import Here, run_tiny, saved, tiny_study


@pytest.mark.slow
def test_two_workers_of_ray_give_the_numbers_of_the_local_runner(tmp_path: Path) -> None:
    study = tiny_study(saved(tmp_path))
    run_tiny(study, tmp_path / "here", executor=Here())
    with open_ray(2) as cluster:
        assert cluster.slots == 2
        ended = run_tiny(study, tmp_path / "ray", executor=cluster)
    assert ended.count("done") == len(ended.cells) == 4
    assert rows_of(tmp_path / "ray") == rows_of(tmp_path / "here")
