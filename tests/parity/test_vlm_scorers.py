"""Vision-language scorers against independent implementations of their models, on random weights.

HPSv3 and the ORM: the authors' layout goes in, and what comes out equals a second implementation in plain
torch. Qwen2.5-VL: ids, positions and scores equal those of transformers' own processor and forward pass, and
the layout in which its checkpoints were published is read.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import Qwen2_5_VLForConditionalGeneration, Qwen2_5_VLProcessor
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from transformers.processing_utils import ProcessorMixin

from tessera.scorers.vlm.hpsv3 import PIXELS, load_hpsv3
from tessera.scorers.vlm.orm import load_orm
from tessera.scorers.vlm.questions import OVERALL, PAIR, VQA
from tessera.scorers.vlm.qwen import asked, positions_of, read_qwen
from tessera.scorers.vlm.settings import HpsV3, OrmVlm, UnifiedReward, VqaScore
from tessera.scorers.vlm.unifiedreward import UNIFIED_REWARD, load_unifiedreward
from tessera.scorers.vlm.vqascore import load_vqascore
from tessera.types import Prompt
from tests.unit.scorers.vlm import by_hand, published, reference, tiny
from tests.unit.scorers.vlm.tiny import CPU

PROMPT = "a red star above two blue rings"
# The chat template that Qwen2-VL and Qwen2.5-VL are published with, for pictures and text.
TEMPLATE = (
    "{% for message in messages %}{% if loop.first and message['role'] != 'system' %}<|im_start|>system\n"
    "You are a helpful assistant.<|im_end|>\n{% endif %}<|im_start|>{{ message['role'] }}\n"
    "{% for content in message['content'] %}{% if content['type'] == 'image' %}"
    "<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ content['text'] }}{% endif %}{% endfor %}"
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def prompt(text: str = PROMPT) -> list[Prompt]:
    return [Prompt(id=text, text=text)]


# HPSv3


@pytest.mark.parametrize("names", ["4.45", "later"])
def test_hpsv3_of_the_published_layout_equals_an_independent_one(tmp_path: Path, names: str) -> None:
    state = published.hps_state()
    saved = state
    if names == "later":  # as transformers 4.52 and newer name the same model
        saved = {
            key
            if key.startswith(("lm_head", "rm_head"))
            else f"model.{key}"
            if key.startswith("visual")
            else key.replace("model.", "model.language_model.", 1): value
            for key, value in state.items()
        }
    weights = published.hps_weights(tmp_path / "weights", saved)
    base = published.hps_base(tmp_path / "base")
    scorer = load_hpsv3(HpsV3(weights=str(weights), base=str(base), place=CPU))
    for image in tiny.pictures(2, 60, 100):
        expected = by_hand.hps(state, PROMPT, image)
        assert scorer.score(prompt(), image[None]).value_B.item() == pytest.approx(
            expected, abs=2e-5, rel=2e-5
        )


def test_positions_in_space_would_give_hpsv3_another_number(tmp_path: Path) -> None:
    """What is claimed of positions is something that the comparison above can tell."""
    weights = published.hps_weights(tmp_path / "weights", published.hps_state())
    base = published.hps_base(tmp_path / "base")
    scorer = load_hpsv3(HpsV3(weights=str(weights), base=str(base), place=CPU))
    image = tiny.pictures(1)[0]
    plain = scorer.score(prompt(), image[None]).value_B.item()
    pictures = Qwen2VLImageProcessorPil(size={"shortest_edge": PIXELS, "longest_edge": PIXELS})
    turn = asked(scorer.words, pictures, scorer.instruction.format(prompt=PROMPT), [image])
    with scorer.held.at_work() as model:
        trunk: Any = model.trunk
        kinds = (turn.ids_1L == trunk.config.image_token_id).int()
        told = trunk(
            input_ids=turn.ids_1L,
            mm_token_type_ids=kinds,  # with these, transformers takes the places in the picture
            pixel_values=turn.patches_NC,
            image_grid_thw=turn.grids_K3,
        )
        at = turn.ids_1L[0].tolist().index(scorer.reward)
        assert abs(model.head(told.last_hidden_state[0, at])[0].item() - plain) > 1e-3


# ORM


@pytest.mark.parametrize("temperature", [0.3, 1.0])
def test_the_orm_of_the_authors_layout_equals_an_independent_one(tmp_path: Path, temperature: float) -> None:
    state = published.llava_state()
    folder = tiny.llava_authors(tmp_path / "orm", state)
    scorer = load_orm(OrmVlm(weights=str(folder), temperature=temperature, place=CPU), published.TOWER)
    values = []
    for image in tiny.pictures(3, 61, 90):
        values.append(scorer.score(prompt(), image[None]).value_B.item())
        assert values[-1] == pytest.approx(by_hand.orm(state, PROMPT, image, temperature), abs=1e-5)
    assert max(values) - min(values) > 1e-3  # it does look at the picture


def test_an_orm_that_transformers_saved_gives_the_same_numbers(tmp_path: Path) -> None:
    folder = tiny.llava_authors(tmp_path / "authors", published.llava_state())
    authors = load_orm(OrmVlm(weights=str(folder), place=CPU), published.TOWER)
    image = tiny.pictures(1)
    with authors.held.at_work() as model:
        model.save_pretrained(tmp_path / "saved")
    tiny.tokenizer().save_pretrained(tmp_path / "saved")
    saved = load_orm(OrmVlm(weights=str(tmp_path / "saved"), place=CPU))
    assert torch.equal(saved.score(prompt(), image).value_B, authors.score(prompt(), image).value_B)


# Qwen2.5-VL


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.qwen(tmp_path_factory.mktemp("qwen"))


@pytest.fixture
def processor(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Returns transformers' processor, with a stand-in for the video processor, which needs torchvision."""
    check = ProcessorMixin.check_argument_for_proper_class
    monkeypatch.setattr(
        ProcessorMixin,
        "check_argument_for_proper_class",
        lambda self, name, argument: None if name == "video_processor" else check(self, name, argument),
    )

    class NoVideo:
        model_input_names = ()
        merge_size = 2

    return Qwen2_5_VLProcessor(
        image_processor=Qwen2VLImageProcessorPil.from_pretrained(folder),
        tokenizer=tiny.tokenizer(),
        video_processor=NoVideo(),
        chat_template=TEMPLATE,
    )


def processed(processor: Any, question: str, images: list[np.ndarray]) -> Any:
    """Returns what transformers' processor makes of pictures and a question."""
    content = [{"type": "image"} for _ in images] + [{"type": "text", "text": question}]
    text = processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)
    return processor(text=[text], images=list(images), return_tensors="pt")


@pytest.mark.parametrize("count", [1, 2])
def test_a_question_is_written_as_the_processor_of_transformers_writes_it(
    folder: Path, processor: Any, count: int
) -> None:
    qwen = read_qwen(UNIFIED_REWARD, str(folder), CPU)
    question = PAIR.format(prompt=PROMPT)
    images = [*tiny.pictures(1, 64, 150), *tiny.pictures(1, 90, 57)][:count]
    theirs, ours = processed(processor, question, images), qwen.ask(question, images)
    assert torch.equal(ours.ids_1L, theirs["input_ids"])
    assert torch.equal(ours.patches_NC, theirs["pixel_values"])
    assert torch.equal(ours.grids_K3, theirs["image_grid_thw"])


def test_patches_and_places_equal_independent_ones(folder: Path) -> None:
    qwen = read_qwen(UNIFIED_REWARD, str(folder), CPU)
    images = [*tiny.pictures(1, 64, 150), *tiny.pictures(1, 90, 57)]
    turn = qwen.ask("?", images)
    cut = [reference.qwen_patches(image, 3136, 12544) for image in images]
    torch.testing.assert_close(turn.patches_NC, torch.cat([each[0] for each in cut]), atol=1e-5, rtol=0)
    grids = [(rows, columns) for _, rows, columns in cut]
    assert turn.grids_K3.tolist() == [[1, *grid] for grid in grids]
    before, after = by_hand.chat("<|vision_start|>", "<|vision_end|>?")
    with qwen.held.at_work() as model:
        positions = positions_of(model, turn)[:, 0]
    assert torch.equal(positions, reference.qwen_positions(len(before), grids, 2, len(after)))


def chances(folder: Path, inputs: Any, more: list[int]) -> torch.Tensor:
    """Returns the next token's probabilities by transformers' own forward pass."""
    model = Qwen2_5_VLForConditionalGeneration.from_pretrained(folder).eval()
    given = {key: inputs[key] for key in ("pixel_values", "image_grid_thw")}
    ids = torch.cat([inputs["input_ids"], torch.tensor([more], dtype=torch.long)], 1)
    kinds = (ids == model.config.image_token_id).int()
    with torch.inference_mode():
        return model(input_ids=ids, mm_token_type_ids=kinds, **given).logits[0, -1].double().softmax(0)


def test_vqascore_equals_the_probability_of_transformers(folder: Path, processor: Any) -> None:
    scorer = load_vqascore(VqaScore(weights=str(folder), place=CPU))
    for image in tiny.pictures(2):
        inputs = processed(processor, VQA.format(prompt=PROMPT), [image])
        expected = chances(folder, inputs, [])[tiny.tokenizer().convert_tokens_to_ids("Yes")]
        assert scorer.score(prompt(), image[None]).value_B.item() == pytest.approx(expected.item(), rel=1e-5)


def test_unifiedreward_equals_the_expectation_of_transformers(folder: Path, processor: Any) -> None:
    scorer = load_unifiedreward(UnifiedReward(weights=str(folder), place=CPU))
    words = tiny.tokenizer()
    for image in tiny.pictures(2):
        inputs = processed(processor, OVERALL.format(prompt=PROMPT), [image])
        digits = chances(folder, inputs, words("Final Score: ")["input_ids"])[
            [words.convert_tokens_to_ids(digit) for digit in "12345"]
        ]
        expected = sum(mark * chance for mark, chance in enumerate(digits.tolist(), start=1)) / digits.sum()
        assert scorer.score(prompt(), image[None]).value_B.item() == pytest.approx(expected.item(), abs=1e-5)


def test_the_likeliest_answer_is_that_of_generate(folder: Path, processor: Any) -> None:
    qwen = read_qwen(UNIFIED_REWARD, str(folder), CPU)
    (image,) = tiny.pictures(1)
    inputs = processed(processor, "?", [image])
    theirs: Any = Qwen2_5_VLForConditionalGeneration.from_pretrained(folder).eval()
    ends = [tiny.tokenizer().convert_tokens_to_ids(token) for token in ("<|im_end|>", "<|endoftext|>")]
    kinds = (inputs["input_ids"] == theirs.config.image_token_id).int()
    given = {key: inputs[key] for key in ("input_ids", "attention_mask", "pixel_values", "image_grid_thw")}
    written = theirs.generate(
        **given,
        mm_token_type_ids=kinds,
        max_new_tokens=12,
        do_sample=False,
        eos_token_id=ends,
        pad_token_id=ends[1],
    )
    expected = tiny.tokenizer().decode(written[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
    with qwen.held.at_work() as model:
        assert qwen.answer(model, qwen.ask("?", [image]), 12) == expected
    assert expected


def test_the_layout_that_qwen_was_published_in_is_read(folder: Path, tmp_path: Path) -> None:
    """Checkpoints of 2025 name the language model `model.` and the tower `visual.`, in a flat config.json."""
    old = {
        (
            key.removeprefix("model.")
            if ".visual." in key
            else key.replace("model.language_model.", "model.")
        ): value
        for key, value in load_file(folder / "model.safetensors").items()
    }
    assert {key.split(".")[0] for key in old} == {"visual", "model", "lm_head"}
    save_file(old, tmp_path / "model.safetensors", metadata={"format": "pt"})
    told = json.loads((folder / "config.json").read_text())
    language = told.pop("text_config")
    language["rope_scaling"] = {
        "type": "mrope",
        "mrope_section": language.pop("rope_parameters")["mrope_section"],
    }
    language |= {"rope_theta": 1e6, "model_type": "qwen2_5_vl"}
    (tmp_path / "config.json").write_text(json.dumps({**told, **language}))
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(tiny.PICTURES))
    tiny.tokenizer().save_pretrained(tmp_path)
    image = tiny.pictures(1)
    new, published_ = (
        load_vqascore(VqaScore(weights=str(each), place=CPU)).score(prompt(), image).value_B
        for each in (folder, tmp_path)
    )
    assert torch.equal(new, published_)
