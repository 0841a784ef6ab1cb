"""What a study took: sums by hand, and those of a study that was really run."""

from pathlib import Path
from typing import Any

import pytest

from tessera.bench.study import covered, study_costs
from tessera.errors import UserError
from tessera.storage import append_jsonl, write_json
from tests.unit.study.tiny import run_tiny, saved, tiny_study


def cost(seconds: float, cpu: float, images: int = 0) -> dict[str, Any]:
    return {
        "images": images,
        "seconds": seconds,
        "cpu_seconds": cpu,
        "start_cpu_seconds": 1.5,
        "peak_memory_mb": 100.0 + seconds,
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two stages at once, and one after them; a fourth that a kill kept from the timeline."""
    write_json(tmp_path / "study.json", {"name": "tiny", "tessera": "0", "machine": {"cpus": 4}})
    stages = {
        "train-a": cost(8.0, 7.0, 64),
        "evaluate-b": cost(3.0, 3.0, 10),
        "evaluate-c": cost(4.0, 4.0, 10),
        "score-d": cost(1.0, 1.0),
    }
    for name, each in stages.items():
        (tmp_path / "stages" / name).mkdir(parents=True)
        write_json(tmp_path / "stages" / name / "COMPLETE", each)
    times = {"train-a": (100.0, 110.0), "evaluate-b": (100.0, 104.0), "evaluate-c": (120.0, 126.0)}
    append_jsonl(
        tmp_path / "timeline.jsonl",
        [
            {"stage": name, "began": began, "ended": ended, "slots": 2}
            for name, (began, ended) in times.items()
        ],
    )
    append_jsonl(
        tmp_path / "stages" / "train-a" / "metrics.jsonl",
        [{"step": step, "seconds": 3.0, "seconds_sample": 2.0, "seconds_update": 1.0} for step in (1, 2)],
    )
    return tmp_path


def test_cores_used_are_processor_time_over_the_time_in_which_anything_ran(folder: Path) -> None:
    """10 s and, after a pause that does not count, 6 s; 14 CPU seconds of work and 3 x 1.5 of loading."""
    found = study_costs(folder)
    assert found["wall_seconds"] == pytest.approx(16.0)
    assert found["cpu_seconds"] == pytest.approx(18.5)
    assert found["cores_used"] == pytest.approx(18.5 / 16)
    assert found["share_of_machine"] == pytest.approx(18.5 / 16 / 4)
    assert found["free_slot_seconds"] == pytest.approx(2 * 16 - (10 + 4 + 6))
    assert (found["stages"], found["stages_left_out"]) == (3, 1)


def test_kinds_are_sums_but_for_memory_the_dearest_first(folder: Path) -> None:
    kinds = study_costs(folder)["kinds"]
    assert list(kinds) == ["evaluate", "train"]
    assert kinds["evaluate"] == {
        "stages": 2,
        "images": 20,
        "wall_seconds": pytest.approx(10.0),
        "cpu_seconds": 7.0,
        "start_cpu_seconds": 3.0,
        "peak_memory_mb": 104.0,
    }


def test_phases_are_all_the_time_of_the_stages(folder: Path) -> None:
    phases = study_costs(folder)["phases"]
    assert phases == {
        "start": pytest.approx(2.0 + 1.0 + 2.0),
        "sample": 4.0,
        "update": 2.0,
        "training, the rest": 2.0,
        "evaluation": 7.0,
    }
    assert sum(phases.values()) == pytest.approx(10 + 4 + 6)


def test_stretches_that_overlap_count_once() -> None:
    assert covered([(0.0, 4.0), (1.0, 2.0), (3.0, 5.0), (7.0, 8.0)]) == pytest.approx(6.0)


def test_a_folder_without_a_study_or_without_times_is_refused(folder: Path) -> None:
    with pytest.raises(UserError, match="holds no study"):
        study_costs(folder / "stages")
    (folder / "timeline.jsonl").unlink()
    with pytest.raises(UserError, match="does not say when its stages ran"):
        study_costs(folder)


def test_a_study_that_was_run_says_all_of_it(tmp_path: Path) -> None:
    run_tiny(tiny_study(saved(tmp_path)), tmp_path / "out")
    found = study_costs(tmp_path / "out")
    assert found["stages"] == 8
    assert {"train", "rollouts", "evaluate", "candidates", "best-of"} == set(found["kinds"])
    assert {"start", "sample", "decode", "reward", "update", "evaluation", "judging"} <= set(found["phases"])
    assert all(seconds >= -0.05 for seconds in found["phases"].values())
    assert all(row["peak_memory_mb"] > 50 for row in found["kinds"].values())
    assert found["kinds"]["train"]["images"] == 32  # DPO's were drawn by a stage of their own
    assert found["kinds"]["rollouts"]["images"] == 32
