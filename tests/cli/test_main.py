"""The command line as a whole: help that reads like documentation, quick answers to mistakes, the doctor."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tessera import __version__
from tessera.cli.main import COMMANDS, HELP
from tests.cli.conftest import Run

REPO = Path(__file__).parents[2]


def test_help_names_every_command(run: Run) -> None:
    for words in ((), ("--help",), ("help",)):
        outcome = run(*words)
        assert (outcome.code, outcome.out) == (0, HELP)
    assert all(re.search(rf"^  {command} ", HELP, re.MULTILINE) for command in COMMANDS)
    assert run("--version").out.strip() == __version__


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(run: Run, command: str) -> None:
    assert run(*command.split(), "--help").code == 0


def test_an_unknown_command_gets_the_nearest_one(run: Run) -> None:
    outcome = run("sampel")
    assert (outcome.code, "Did you mean 'sample'?" in outcome.err) == (2, True)


def test_the_doctor_finds_this_installation_ready(run: Run) -> None:
    outcome = run("doctor", "--json")
    checks = json.loads(outcome.out)
    assert outcome.code == 0
    assert checks["torch"]["ok"]
    assert checks["policy mosaic"]["ok"]
    assert all(check["remedy"] for check in checks.values() if not check["ok"])


def test_the_doctor_says_what_a_wrong_data_directory_needs(run: Run, monkeypatch) -> None:
    monkeypatch.setenv("TESSERA_DATA", "/no/such/folder")
    outcome = run("doctor")
    assert outcome.code == 0  # mosaic needs no data
    assert "/no/such/folder does not exist" in outcome.out
    assert "create it" in outcome.out


def test_python_dash_m_is_the_same_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tessera", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == __version__


def commands_of_readme() -> list[str]:
    """Returns the README's lines that start with `tessera`, but for the build: half an hour is no test."""
    blocks = re.findall(r"```sh\n(.*?)```", (REPO / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if line.startswith("tessera ")]
    return [line for line in lines if " build " not in line]


@pytest.mark.slow
def test_the_commands_of_the_readme_run_as_written(run: Run, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    lines = commands_of_readme()
    assert len(lines) >= 5
    for line in lines:
        outcome = run(*shlex.split(line)[1:])
        assert outcome.code == 0, f"{line}\n{outcome.err}"
    assert (tmp_path / "runs" / "base" / "report.html").exists()
