"""Who answers questions about pictures: Qwen2.5-VL at tiny size, and anybody's own."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tessera.config import from_plain
from tessera.errors import CheckpointError, UserError
from tessera.scorers.vlm import answerer
from tessera.scorers.vlm.answerer import Answerer, QwenAnswerer, Written, ask_text, ask_yes, load_answerer
from tessera.scorers.vlm.answerer_settings import CustomAnswers, QwenAnswers
from tessera.scorers.vlm.qwen import read_qwen
from tessera.scorers.vlm.rows import Verdict
from tessera.scorers.vlm.vqascore import QWEN_2_5_VL
from tests.unit.benchmarks.dpg.painted import PaintedAnswerer
from tests.unit.scorers.vlm import tiny
from tests.unit.scorers.vlm.tiny import CPU, pictures

PLACE = "tests.unit.benchmarks.dpg.painted"
QUESTIONS = [["Is there a star?", "Is it red?"], [], ["Is there a <|im_end|>?", "Is it red?"]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.qwen(tmp_path_factory.mktemp("qwen"))


def opened(folder: Path, limit: int = 512) -> QwenAnswerer:
    return QwenAnswerer(QwenAnswers(weights=str(folder), place=CPU, limit=limit))


def test_both_keep_the_contract(folder: Path) -> None:
    assert isinstance(opened(folder), Answerer)
    assert isinstance(PaintedAnswerer(), Answerer)


def test_the_chance_is_that_of_yes_among_yes_and_no(folder: Path) -> None:
    """Against the model's own forward pass and the softmax over its whole vocabulary."""
    qwen, images = read_qwen(QWEN_2_5_VL, str(folder), CPU), pictures(1)
    [[(chance, reason)]] = opened(folder).yes(images, [["Is it red?"]])
    turn = qwen.ask(answerer.YES_OR_NO.format(question="Is it red?"), [images[0]])
    words = tiny.tokenizer()
    with qwen.held.at_work() as model:
        told = model(
            input_ids=turn.ids_1L,
            pixel_values=turn.patches_NC,
            image_grid_thw=turn.grids_K3,
            mm_token_type_ids=(turn.ids_1L == model.config.image_token_id).int(),
        )
    chances_V = told.logits[0, -1].double().softmax(0)
    ids = words.convert_tokens_to_ids(["Yes", "yes", "No", "no"])
    assert isinstance(ids, list)
    yes, no = chances_V[ids[:2]].sum(), chances_V[ids[2:]].sum()
    assert reason == ""
    assert chance == pytest.approx(float(yes / (yes + no)), abs=1e-5)


def test_an_answer_depends_on_its_own_picture_and_question_alone(folder: Path) -> None:
    judge, images = opened(folder), pictures(3)
    together = judge.yes(images, QUESTIONS)
    assert [len(each) for each in together] == [2, 0, 2]
    for row, questions in enumerate(QUESTIONS):
        for place, question in enumerate(questions):
            [[(alone, _)]] = judge.yes(images[row : row + 1], [[question]])
            assert alone == pytest.approx(together[row][place][0], abs=1e-6, nan_ok=True)
    values = [value for each in together for value, _ in each if not math.isnan(value)]
    assert len(set(values)) == 3


def test_a_question_with_a_control_token_is_not_asked(folder: Path) -> None:
    value, reason = opened(folder).yes(pictures(3), QUESTIONS)[2][0]
    assert math.isnan(value)
    assert "<|im_end|>" in reason
    [written] = opened(folder, limit=2).write(pictures(1), ["Is there a <|im_end|>?"])
    assert written[0] == ""
    assert "<|im_end|>" in written[1]


def test_what_is_written_is_the_likeliest_text_up_to_the_limit(folder: Path) -> None:
    short, long = (
        opened(folder, limit=limit).write(pictures(2), ["Is it red?", "What is it?"]) for limit in (2, 6)
    )
    assert all(reason == "" for _, reason in (*short, *long))
    assert all(longer.startswith(shorter) for (shorter, _), (longer, _) in zip(short, long, strict=True))
    assert any(len(longer) > len(shorter) for (shorter, _), (longer, _) in zip(short, long, strict=True))
    assert opened(folder, limit=6).write(pictures(2)[:1], ["Is it red?"]) == long[:1]


def test_nothing_asked_reads_nothing() -> None:
    judge = QwenAnswerer(QwenAnswers(weights="/gone/model"))
    assert judge.yes(pictures(2), [[], []]) == [[], []]
    assert judge.write(pictures(1)[:0], []) == []
    assert judge.name == "model"
    with pytest.raises(CheckpointError, match=r"weights=/gone/model is no folder"):
        judge.yes(pictures(1), [["Is it red?"]])


def test_the_digest_knows_weights_width_and_limit_and_not_the_batch(folder: Path, tmp_path: Path) -> None:
    digest = opened(folder).digest()
    assert QwenAnswerer(QwenAnswers(weights=str(folder), place=replace(CPU, batch_size=3))).digest() == digest
    others = (
        opened(tiny.qwen(tmp_path, seed=1)),
        opened(folder, limit=3),
        QwenAnswerer(QwenAnswers(weights=str(folder), place=replace(CPU, dtype="bfloat16"))),
    )
    assert len({digest, *(each.digest() for each in others)}) == 4


def test_half_the_width_gives_nearly_the_same_chance(folder: Path) -> None:
    half = QwenAnswerer(QwenAnswers(weights=str(folder), place=replace(CPU, dtype="bfloat16")))
    [[(low, _)]], [[(full, _)]] = (each.yes(pictures(1), [["Is it red?"]]) for each in (half, opened(folder)))
    assert low != full
    assert low == pytest.approx(full, abs=0.25)
    assert torch.tensor(low).isfinite()


def test_a_judge_is_named_or_is_qwen() -> None:
    assert QwenAnswers().published is False
    assert load_answerer(QwenAnswers()).name == "Qwen2.5-VL-7B-Instruct"
    assert load_answerer(CustomAnswers(function=f"{PLACE}:open_painter")).name == "painter"
    with pytest.raises(UserError, match=r"open_nobody\(\) returned str, which is no answerer: it needs name"):
        load_answerer(CustomAnswers(function=f"{PLACE}:open_nobody"))
    with pytest.raises(UserError, match="is named module:function"):
        from_plain(CustomAnswers, {"function": "painter"}, where="test")
    with pytest.raises(UserError, match="limit must be 1 or more"):
        from_plain(QwenAnswers, {"limit": 0}, where="test")


class Said(PaintedAnswerer):
    """Says one thing whatever it is asked."""

    def __init__(self, chances: list[list[Verdict]]) -> None:
        super().__init__()
        self.chances = chances

    def yes(self, images_BHWC: object, questions_B: Sequence[Sequence[str]]) -> list[list[Verdict]]:
        return self.chances

    def write(self, images_BHWC: object, prompts: Sequence[str]) -> list[Written]:
        return []


@pytest.mark.parametrize(
    ("chances", "words"),
    [
        ([[(0.5, "")]], r"gave \[1\] answers to \[2\] questions"),
        ([[(0.5, ""), (1.5, "")]], r"gave 1\.5 as the chance of yes"),
        ([[(0.5, ""), (math.nan, "")]], "gave NaN and no reason"),
    ],
)
def test_what_is_no_answer_is_refused(chances: list[list[Verdict]], words: str) -> None:
    with pytest.raises(UserError, match=words):
        ask_yes(Said(chances), pictures(1), [["one?", "two?"]])


def test_an_answer_to_every_picture_is_owed() -> None:
    with pytest.raises(UserError, match="wrote 0 answers about 1 pictures"):
        ask_text(Said([]), pictures(1), ["What is it?"])
