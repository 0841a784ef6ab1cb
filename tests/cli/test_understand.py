"""`tessera understand`: two policies are asked and compared; mistakes are told before anything is written."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from tessera.cli.understand import run as understand
from tessera.errors import UserError
from tessera.policies.saved import save_policy
from tessera.storage import read_jsonl, write_png
from tests.contracts.janus import tiny_janus, tiny_janus_lora


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    write_png(tmp_path / "a.png", np.zeros((4, 4, 3), dtype=np.uint8))
    row = {"image": "a.png", "question": "Is it day?", "answers": ["yes"]}
    (tmp_path / "q.jsonl").write_text(json.dumps(row))
    made = ["--questions", str(tmp_path / "q.jsonl"), "--images", str(tmp_path)]
    return [*made, "--out", str(tmp_path / "out")]


def test_a_policy_that_only_draws_is_refused_and_leaves_no_folder(tmp_path: Path, words: list[str]) -> None:
    with pytest.raises(UserError, match="draws pictures and does not read them; Janus does both"):
        understand(["--policy", "mosaic", *words])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "q.jsonl"]


def test_a_policy_named_twice_and_a_limit_of_nothing_are_refused(words: list[str]) -> None:
    with pytest.raises(UserError, match="names one twice"):
        understand(["--policy", "a", "a", *words])
    with pytest.raises(UserError, match="--limit must be 1 or more"):
        understand(["--policy", "mosaic", "--limit", "0", *words])


def test_two_policies_are_asked_and_compared(
    tmp_path: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        {"image": name, "question": question, "choices": ["yes", "no"], "answers": ["yes"]}
        for name in ("a.png", "b.png")
        for question in ("Is it day?", "Is it dark?")
    ]
    (tmp_path / "q.jsonl").write_text("\n".join(map(json.dumps, rows)))
    write_png(tmp_path / "b.png", np.full((4, 9, 3), 200, dtype=np.uint8))
    before, after = str(tmp_path / "before"), str(tmp_path / "after")
    save_policy(tiny_janus(), Path(before), torch.float32)
    save_policy(tiny_janus_lora(), Path(after), torch.float32)
    assert understand(["--policy", before, after, *words]) == 0
    told = capsys.readouterr().out
    assert f"{after} against {before}: " in told
    assert "understanding.jsonl" in told
    out = tmp_path / "out"
    found = list(read_jsonl(out / "understanding.jsonl"))
    assert [row["policy"] for row in found] == [before] * 4 + [after] * 4
    assert all(a["logp"] != b["logp"] for a, b in zip(found[:4], found[4:], strict=True))
    with pytest.raises(UserError, match="not empty"):
        understand(["--policy", before, after, *words])
    assert understand(["--policy", before, after, *words, "--resume", "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)["summary"]
    assert summary["policies"][after]["questions"] == 4
    assert summary["differences"][after]["from"] == before
