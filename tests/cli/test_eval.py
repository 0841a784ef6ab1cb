"""`tessera eval`: the summary's form, resuming, and what it refuses."""

import json
import shutil
from pathlib import Path

from tests.cli.conftest import Run

FLAGS = ("--benchmark", "mosaic-id", "mosaic-ood", "--prompts-per-category", 3, "--num", 2)


def test_the_summary_has_the_promised_form(run: Run, tmp_path: Path) -> None:
    outcome = run("eval", "--policy", "mosaic", *FLAGS, "--out", tmp_path / "out")
    assert outcome.code == 0
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert list(summary) == ["mosaic-id", "mosaic-ood"]
    for result in summary.values():
        assert len(result["categories"]) == 6
        assert result["overall"]["n"] == 18
        assert result["images"] == 36
        for estimate in (result["overall"], *result["categories"].values()):
            assert set(estimate) == {"mean", "ci_low", "ci_high", "n"}
            assert 0 <= estimate["ci_low"] <= estimate["mean"] <= estimate["ci_high"] <= 1
    records = [json.loads(line) for line in (tmp_path / "out" / "eval.jsonl").read_text().splitlines()]
    assert len(records) == 72
    assert len(list((tmp_path / "out" / "pictures").rglob("*.png"))) == 72
    assert (tmp_path / "out" / "report.html").read_text().startswith("<!doctype html>")


def test_a_killed_run_resumes_to_the_same_bytes(run: Run, tmp_path: Path) -> None:
    assert run("eval", *FLAGS, "--out", tmp_path / "whole").code == 0
    whole = (tmp_path / "whole" / "eval.jsonl").read_text()
    # What a kill leaves: a partial folder, whose last line may be torn, and a picture without its record.
    partial = tmp_path / "killed.partial"
    shutil.copytree(tmp_path / "whole", partial)
    for name in ("summary.json", "report.html"):
        (partial / name).unlink()
    (partial / "eval.jsonl").write_text(whole[: len(whole) // 3])
    assert run("eval", *FLAGS, "--out", tmp_path / "killed").code == 2
    assert run("eval", *FLAGS, "--out", tmp_path / "killed", "--resume").code == 0
    assert (tmp_path / "killed" / "eval.jsonl").read_text() == whole
    for name in ("summary.json",):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_shifts_have_names_and_unknown_ones_are_refused(run: Run, tmp_path: Path) -> None:
    flags = ("--prompts-per-category", 1, "--num", 1, "--json")
    outcome = run("eval", "--benchmark", "mosaic-ood+counts", *flags, "--out", tmp_path / "counts")
    assert list(json.loads(outcome.out)["summary"]["mosaic-ood+counts"]["categories"]) == ["counting"]
    outcome = run("eval", "--benchmark", "mosaic-odd", "--out", tmp_path / "x")
    assert (outcome.code, "Did you mean 'mosaic-ood'?" in outcome.err) == (2, True)
    outcome = run("eval", "--benchmark", "mosaic-ood+count", "--out", tmp_path / "x")
    assert (outcome.code, "Did you mean 'counts'?" in outcome.err) == (2, True)
    assert not (tmp_path / "x").exists()


def test_a_full_disk_leaves_no_result_under_the_final_name(run: Run, tmp_path: Path, monkeypatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tessera.benchmarks.runner.write_png", full)
    try:
        code = run("eval", *FLAGS, "--out", tmp_path / "out").code
    except OSError:
        code = 1
    assert code != 0
    assert not (tmp_path / "out").exists()
    monkeypatch.undo()
    assert run("eval", *FLAGS, "--out", tmp_path / "out", "--resume").code == 0
