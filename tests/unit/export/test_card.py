"""The model card says what the run recorded, and no number besides."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tessera.errors import UserError
from tessera.export.folder import export
from tessera.export.source import Source, open_source
from tessera.export.terms import terms_of
from tests.contracts.emu3 import tiny_emu3
from tests.contracts.janus import tiny_janus
from tests.contracts.llamagen import tiny_c2i, tiny_t2i
from tests.contracts.policies import tiny_mosaic
from tests.unit.export.made import made_run

ESTIMATE = {"mean": 0.25, "ci_low": 0.125, "ci_high": 0.5, "n": 30}


@pytest.fixture
def source(tmp_path: Path) -> Source:
    return open_source(made_run(tmp_path / "run", tiny_mosaic(), "mosaic"))


def evaluation(folder: Path, digest: str) -> Path:
    """Returns a folder as `tessera eval` leaves one."""
    folder.mkdir()
    config = {
        "policy_digest": digest,
        "view": {"guidance": 3.0, "top_k": 0},
        "seed": 7,
        "command": "tessera eval --policy it",
    }
    unknown = {"mean": None, "ci_low": None, "ci_high": None, "n": 0}
    result = {"overall": ESTIMATE, "categories": {"color": unknown}, "images": 60, "missing": 2}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "summary.json").write_text(json.dumps({"mosaic-id": result}))
    (folder / "eval.jsonl").touch()
    return folder


def card(source: Source, out: Path, **more: Any) -> str:
    export(source, out, "0.1", **more)
    return (out / "README.md").read_text()


def test_the_front_matter_names_base_licence_and_tags(tmp_path: Path, source: Source) -> None:
    text = card(source, tmp_path / "out", base_model="me/base")
    front = text.split("---\n")[1]
    assert front.splitlines() == [
        "base_model: me/base",
        "base_model_relation: finetune",
        "license: apache-2.0",
        "library_name: tessera",
        "pipeline_tag: text-to-image",
        "tags:",
        "- text-to-image",
        "- reinforcement-learning",
        "- tessera",
        "- grpo",
    ]


def test_every_number_of_the_card_is_one_of_the_run(tmp_path: Path, source: Source) -> None:
    text = card(source, tmp_path / "out")
    for told in ("made", "t2i-r1", "feedbeef", "d00f", "40 of 80", "kind=grpo, group=8", source.digest):
        assert told in text, told
    assert "Command: `tessera train made --out runs/it`" in text
    assert "The run noted no overlap" in text
    assert "No claim is made about this model's quality" in text
    plain = text.replace(source.digest, "")
    known = {"0.1", "32", "40", "80", "640", "1,000", "2.0", "12.5", "3", "8"}
    assert set(re.findall(r"(?<![\w.])\d[\d,.]*\d|(?<![\w.-])\d(?![\w.])", plain)) <= known


def test_a_run_on_a_run_says_that_the_base_is_not_all(tmp_path: Path, source: Source) -> None:
    told = "The run began with what an earlier run had made of that base"
    assert told not in card(source, tmp_path / "one")
    second = made_run(tmp_path / "second", tiny_mosaic(), str(tmp_path / "run"))
    assert told in card(open_source(second), tmp_path / "two")


def test_results_are_those_of_the_folders_with_whose_they_are(tmp_path: Path, source: Source) -> None:
    mine, base = evaluation(tmp_path / "mine", source.digest), evaluation(tmp_path / "base", "0ba5e")
    text = card(source, tmp_path / "out", results=[base, mine])
    row = "| mosaic-id | overall | 0.25 | 0.125 to 0.5 | 30 | 58 | 2 |"
    assert f"| its base {row}" in text
    assert f"| this model {row}" in text
    assert "| this model | mosaic-id | color | not known | not known to not known | 0 |  |  |" in text
    assert "- this model: guidance 3.0, top-k 0, seed 7. `tessera eval --policy it`" in text


def test_results_of_another_policy_are_refused(tmp_path: Path, source: Source) -> None:
    other = evaluation(tmp_path / "other", "0ddba11")
    with pytest.raises(UserError, match="measured a policy with the digest 0ddba11, which is neither"):
        card(source, tmp_path / "out", results=[other])
    with pytest.raises(UserError, match="is no finished folder"):
        card(source, tmp_path / "out", results=[tmp_path / "run"])
    assert not (tmp_path / "out").exists()


def test_answers_about_pictures_are_results_too(tmp_path: Path) -> None:
    source = open_source(made_run(tmp_path / "run", tiny_janus(), "janus-pro-1b"))
    folder = tmp_path / "reading"
    folder.mkdir()
    scores = {"overall": ESTIMATE, "questions": 40, "missing": 1, "policy_digest": source.digest}
    (folder / "config.json").write_text(json.dumps({"command": "tessera understand"}))
    (folder / "summary.json").write_text(json.dumps({"policies": {"it": scores}, "differences": {}}))
    (folder / "understanding.jsonl").touch()
    text = card(source, tmp_path / "out", results=[folder])
    assert "| this model | reading pictures | overall | 0.25 | 0.125 to 0.5 | 30 | 39 | 1 |" in text
    assert "The table says how well it still does." in text
    assert 'license_name: "DeepSeek Model License"' in text
    assert "from transformers import JanusForConditionalGeneration" in text
    assert "Whether it still does was not measured" in card(source, tmp_path / "again")


def test_terms_are_those_of_the_family() -> None:
    found = {policy.spec.name: terms_of(policy) for policy in (tiny_janus(), tiny_emu3(), tiny_mosaic())}
    assert {name: terms.id for name, terms in found.items()} == {
        "janus": "other",
        "emu3": "apache-2.0",
        "mosaic": "apache-2.0",
    }
    assert "stricter" in found["janus"].note
    assert [terms_of(each()).name for each in (tiny_c2i, tiny_t2i)] == ["MIT", "not stated (code: MIT)"]
