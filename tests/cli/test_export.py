"""`tessera export`: a run becomes a folder for others, told in lines; mistakes leave nothing."""

import json
from pathlib import Path

import pytest

from tessera.cli.export import run as export
from tessera.errors import OutputError, UserError
from tests.tiny import run_config, run_in, save_tiny_policy


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    run_in(tmp_path / "run", run_config(save_tiny_policy(tmp_path / "base"), steps=2))
    return tmp_path / "run"


def test_a_run_is_exported_and_told(
    tmp_path: Path, trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert export([str(trained), "--out", str(out), "--dtype", "float16"]) == 0
    told = capsys.readouterr().out
    assert "mosaic of step 2, in float16" in told
    assert "--base-model HUB_ID" in told
    assert "README.md" in told
    assert export([str(trained), "--out", str(tmp_path / "again"), "--base-model", "me/base", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["base_model"], result["step"], result["dtype"]) == ("me/base", 2, "float32")


def test_mistakes_leave_nothing(tmp_path: Path, trained: Path) -> None:
    with pytest.raises(UserError, match="--shard-gb must be above 0"):
        export([str(trained), "--out", str(tmp_path / "out"), "--shard-gb", "0"])
    with pytest.raises(OutputError, match="nothing is written over"):
        export([str(trained), "--out", str(trained)])
    with pytest.raises(UserError, match="is no run folder"):
        export([str(tmp_path / "base"), "--out", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()
