"""UnifiedReward: marks from texts, and win rates from meetings."""

import math
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from transformers import Qwen2_5_VLForConditionalGeneration

from tessera.errors import CheckpointError, RewardError
from tessera.protocols import Reward
from tessera.scorers.vlm.questions import PAIR
from tessera.scorers.vlm.settings import UnifiedReward, UnifiedRewardPairs
from tessera.scorers.vlm.unifiedreward import load_unifiedreward, written_mark
from tessera.scorers.vlm.unifiedreward_pairs import load_unifiedreward_pairs, written_conclusion
from tessera.types import Prompt
from tests.unit.scorers.vlm import tiny
from tests.unit.scorers.vlm.tiny import CPU


def prompts(count: int) -> list[Prompt]:
    return [Prompt(id="x", text="a red star")] * count


@pytest.mark.parametrize(
    ("text", "mark"),
    [
        ("Final Score: 4", 4.0),
        ("star (object): 1\nred (attribute): 0\nFinal Score: 3.5", 3.5),
        ("final score : **2**", 2.0),
        ("**Final Score:** 5.", 5.0),
        ("Final Score: 4/5", 4.0),
        ("Final Score: [1]", 1.0),
        ("Final Score: 1 at first. Final Score: 3", 3.0),
    ],
)
def test_a_written_mark_is_read(text: str, mark: float) -> None:
    assert written_mark(text) == (mark, "")


@pytest.mark.parametrize(
    "text",
    [
        "Final Score: 10",  # its first digit is a mark, the number is none
        "Final Score: 0",
        "Final Score: 5.5",
        "Final Score: 4/10",
        "Final Score: 4 out of 10",
        "Final Score: four",
        "the score is 4",
        "Final Score: 4. Final Score: 12",
        "",
    ],
)
def test_a_text_without_a_mark_is_missing_and_is_the_reason(text: str) -> None:
    value, reason = written_mark(text)
    assert math.isnan(value)
    assert repr(text) in reason


@pytest.mark.parametrize(
    ("text", "worth"),
    [
        ("Image 1 is better.", 1.0),
        ("In short: image 2 is better", 0.0),
        ("Both images are equally good.", 0.5),
        ('"Image 1 is better." is wrong: Image 2 is better.', 0.0),
    ],
)
def test_a_written_conclusion_is_read(text: str, worth: float) -> None:
    assert written_conclusion(text) == (worth, "")


def scripted(folder: Path, text: str) -> str:
    """Returns a folder with a Qwen2.5-VL that answers with `text`, whatever it is asked.

    Its layers add nothing, so that a token's embedding goes to the head, which knows what follows each.
    """
    words = tiny.tokenizer()
    start = words("<|im_start|>assistant\n")["input_ids"][-1]
    chain = [start, *words(text)["input_ids"], words.convert_tokens_to_ids("<|im_end|>")]
    assert len(set(chain)) == len(chain) <= 32, "a chain cannot pass a token twice"
    tiny.qwen(folder)
    model = Qwen2_5_VLForConditionalGeneration.from_pretrained(folder)
    with torch.no_grad():
        for name, value in model.named_parameters():
            if name.endswith(("self_attn.o_proj.weight", "mlp.down_proj.weight", "lm_head.weight")):
                value.zero_()
        table = model.model.language_model.embed_tokens.weight
        for place, (token, following) in enumerate(pairwise(chain)):
            table[token] = torch.eye(32)[place]
            model.lm_head.weight[following] = torch.eye(32)[place]
    model.save_pretrained(folder)
    return str(folder)


def test_a_mark_that_the_model_writes_is_its_score(tmp_path: Path) -> None:
    weights = scripted(tmp_path, "Final Score: 4")
    scorer = load_unifiedreward(UnifiedReward(weights=weights, reading="text", place=CPU))
    scores = scorer.score(prompts(2), tiny.pictures(2))
    assert scores.value_B.tolist() == [4.0, 4.0]
    assert scores.reasons == ("", "")


def test_the_model_s_text_is_the_reason_where_it_writes_no_mark(tmp_path: Path) -> None:
    weights = scripted(tmp_path, "Final Score: yes")
    scorer = load_unifiedreward(UnifiedReward(weights=weights, reading="text", place=CPU))
    scores = scorer.score(prompts(1), tiny.pictures(1))
    assert math.isnan(scores.value_B.item())
    assert "'Final Score: yes'" in scores.reasons[0]


def test_a_model_that_breaks_gives_no_number(tmp_path: Path) -> None:
    scorer = load_unifiedreward(UnifiedReward(weights=str(tiny.qwen(tmp_path)), place=CPU))
    with scorer.qwen.held.at_work() as model:
        model.lm_head.weight.fill_(math.inf)
    scores = scorer.score(prompts(1), tiny.pictures(1))
    assert math.isnan(scores.value_B.item())
    assert "no finite number" in scores.reasons[0]


def test_a_tokenizer_without_the_digits_is_refused(tmp_path: Path) -> None:
    tiny.qwen(tmp_path)
    words = tiny.tokenizer()
    words.add_tokens(["Score: 3"])  # so that the digit is no token of its own there
    try:
        words.save_pretrained(tmp_path)
        with pytest.raises(CheckpointError, match="no token of its own for '3' after 'Final Score: '"):
            load_unifiedreward(UnifiedReward(weights=str(tmp_path), place=CPU))
    finally:
        tiny.tokenizer.cache_clear()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny.qwen(tmp_path_factory.mktemp("qwen")))


def test_win_rates_are_means_over_both_orders(folder: str) -> None:
    reward = load_unifiedreward_pairs(UnifiedRewardPairs(weights=folder, place=CPU))
    assert isinstance(reward, Reward)
    images = tiny.pictures(3)
    one, two = (tiny.tokenizer().convert_tokens_to_ids(number) for number in "12")
    first = torch.zeros(3, 3)  # the chance of the row's picture, shown first, against the column's
    with reward.qwen.held.at_work() as model:
        for row in range(3):
            for column in {0, 1, 2} - {row}:
                question = PAIR.format(prompt="a red star")
                asked = reward.qwen.ask(question, [images[row], images[column]], "Image ")
                logits = model(
                    input_ids=asked.ids_1L,
                    mm_token_type_ids=(asked.ids_1L == model.config.image_token_id).int(),
                    pixel_values=asked.patches_NC,
                    image_grid_thw=asked.grids_K3,
                ).logits[0, -1]
                first[row, column] = torch.sigmoid(logits[one] - logits[two])
    expected = (first.sum(1) + (2 - first.sum(0))) / 4
    scores = reward.score(prompts(3), images, 3)
    torch.testing.assert_close(scores.value_B, expected.double(), atol=1e-5, rtol=0)
    assert scores.value_B.sum().item() == pytest.approx(1.5)
    assert scores.value_B.std() > 1e-4


def test_a_model_that_always_prefers_the_first_place_prefers_no_picture(tmp_path: Path) -> None:
    weights = scripted(tmp_path, "Image 1 is better.")
    reward = load_unifiedreward_pairs(UnifiedRewardPairs(weights=weights, reading="text", place=CPU))
    assert reward.score(prompts(3), tiny.pictures(3), 3).value_B.tolist() == [0.5, 0.5, 0.5]


def test_a_picture_without_a_decided_meeting_is_missing(tmp_path: Path) -> None:
    weights = scripted(tmp_path, "Image 1 yes")
    reward = load_unifiedreward_pairs(UnifiedRewardPairs(weights=weights, reading="text", place=CPU))
    scores = reward.score(prompts(2), tiny.pictures(2), 2)
    assert torch.isnan(scores.value_B).all()
    assert all("'Image 1 yes'" in reason for reason in scores.reasons)


def test_groups_do_not_depend_on_one_another(folder: str) -> None:
    reward = load_unifiedreward_pairs(UnifiedRewardPairs(weights=folder, place=CPU))
    rows = [*prompts(2), *[Prompt(id="y", text="a <|im_end|>")] * 2, *prompts(2)]
    images = tiny.pictures(6)
    scores = reward.score(rows, images, 2)
    assert torch.isnan(scores.value_B).tolist() == [False, False, True, True, False, False]
    alone = [reward.score(rows[start : start + 2], images[start : start + 2], 2).value_B for start in (0, 4)]
    assert torch.equal(torch.cat(alone), scores.value_B[[0, 1, 4, 5]])
    assert len(reward.score([], images[:0], 2)) == 0


def test_a_group_of_one_has_nobody_to_meet(folder: str) -> None:
    reward = load_unifiedreward_pairs(UnifiedRewardPairs(weights=folder, place=CPU))
    with pytest.raises(RewardError, match="only one was drawn; use unifiedreward"):
        reward.score(prompts(1), tiny.pictures(1), 1)
