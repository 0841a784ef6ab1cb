"""A tiny Janus is asked; what was asked is kept, and other weights are refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jaxtyping import UInt8
from numpy import ndarray

from tessera.benchmarks.understanding.contract import Understands, reader_of
from tessera.benchmarks.understanding.questions import Question
from tessera.benchmarks.understanding.runner import ask
from tessera.benchmarks.understanding.summary import summarise_answers
from tessera.errors import UserError
from tessera.storage import read_jsonl, write_png
from tests.contracts.janus import tiny_janus
from tests.contracts.policies import tiny_mosaic

QUESTIONS = [
    Question(id="0", image="a.png", text="What is it?", answers=("a cup",)),
    Question(id="1", image="a.png", text="Is it day?", answers=("yes",), choices=("yes", "no")),
    Question(id="2", image="b.png", text="Is it day?", answers=("no",), choices=("yes", "no")),
]


class Known:
    """Answers as told, and notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def answer(self, image_HWC: UInt8[ndarray, "H W 3"], question: str, limit: int) -> str:
        self.asked.append(question)
        return "A cup."

    def weigh(self, image_HWC: UInt8[ndarray, "H W 3"], question: str, choices: Any) -> list[float]:
        self.asked.append(question)
        return [-float(image_HWC.mean()), -100.0]


@pytest.fixture
def images(tmp_path: Path) -> Path:
    for name, shade in (("a.png", 10), ("b.png", 200)):
        write_png(tmp_path / "images" / name, np.full((6, 9, 3), shade, dtype=np.uint8))
    return tmp_path / "images"


def asked(reader: Understands, images: Path, digest: str = "d") -> list[dict[str, Any]]:
    out = images.parent / "out"
    out.mkdir(exist_ok=True)
    return ask(reader, "it", digest, QUESTIONS, images, out, instruction="In a word.", limit=4)


def test_questions_are_answered_by_words_or_by_the_likeliest_choice(images: Path) -> None:
    reader = Known()
    found = asked(reader, images)
    assert [row["correct"] for row in found] == [1.0, 1.0, 1.0]  # a dark picture: yes; a bright one: no
    assert found[1]["logp"] == {"yes": -10.0, "no": -100.0}
    # The instruction goes with words alone: what is weighed is given.
    assert reader.asked == ["What is it?\nIn a word.", "Is it day?", "Is it day?"]


def test_what_was_asked_is_not_asked_again(images: Path) -> None:
    first = asked(Known(), images)
    path = images.parent / "out" / "understanding.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text(lines[0] + lines[1] + lines[2][:30])  # as a kill leaves it
    reader = Known()
    assert asked(reader, images) == first
    assert reader.asked == ["Is it day?"]
    assert list(read_jsonl(path)) == first


def test_answers_of_other_weights_are_refused(images: Path) -> None:
    asked(Known(), images)
    with pytest.raises(UserError, match="answers of it with other weights"):
        asked(Known(), images, digest="e")


def test_a_tiny_janus_is_asked_from_pixels_to_a_summary(images: Path) -> None:
    policy = tiny_janus()
    found = asked(reader_of(policy, "janus"), images, policy.digest())
    assert all(row["correct"] in (0.0, 1.0) for row in found)
    assert found[1]["logp"].keys() == {"yes", "no"}
    result = summarise_answers({"it": found})["policies"]["it"]
    assert (result["questions"], result["policy_digest"]) == (3, policy.digest())


def test_a_policy_that_only_draws_is_refused_in_one_sentence() -> None:
    with pytest.raises(UserError, match="base is a mosaic policy, which draws pictures and does not read"):
        reader_of(tiny_mosaic(), "base")
