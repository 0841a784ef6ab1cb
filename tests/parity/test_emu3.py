"""Our Emu3 against transformers' own `generate`, forward pass and VQ model, on random weights at tiny size.

Greedy tokens agree unless two logits lie within rounding (1e-5) of one another: chance about 1e-4 per token
row, decided once by the seed.
"""

import itertools

import numpy as np
import pytest
import torch
from torch import Tensor

from tessera.policies.emu3.policy import Emu3Policy
from tessera.policies.trunk import PaddedCache
from tessera.sampling.decode import decode_rows, prefill_rows
from tessera.sampling.replay import view_logp
from tessera.tensors import TextBatch
from tessera.types import View
from tests.contracts.emu3 import tiny_emu3, tiny_model

PROMPTS = ("a star", "a photo of two red circles", "large blue hearts on paper")
GUIDED = View(guidance=3.0)


def _whole(policy: Emu3Policy, text: TextBatch) -> dict[str, Tensor]:
    """Returns text and preamble, with the mask, as transformers takes them."""
    preamble = torch.tensor(policy.prompts.preamble).expand(len(text), -1)
    return {
        "input_ids": torch.cat([text.ids, preamble], dim=1),
        "attention_mask": torch.cat([text.mask, torch.ones_like(preamble, dtype=torch.bool)], dim=1).long(),
    }


def _generated(policy: Emu3Policy, text: TextBatch, guidance: float) -> Tensor:
    """Returns what transformers draws greedily: the codes of all rows, with the ends of rows taken out.

    The tokens that may come next are those that the documentation of transformers gives for Emu3, which is
    the rule of the official script.
    """
    prompts, (rows, columns) = policy.prompts, policy.config.grid
    given = _whole(policy, text)
    start = given["input_ids"].shape[1]
    every_code = list(range(prompts.first_code, prompts.first_code + policy.spec.codebook))

    def allowed(_: int, ids: Tensor) -> list[int]:
        behind = len(ids) - start + 1
        return [prompts.end_of_row] if behind % (columns + 1) == 0 else every_code

    null = policy.null_like(text)
    short = null.mask[0]  # all are equally long: no padding
    negative = _whole(policy, TextBatch(ids=null.ids[:, short], mask=null.mask[:, short]))
    drawn = tiny_model().generate(  # pyright: ignore[reportAttributeAccessIssue] - which a mixin has
        **given,
        do_sample=False,
        max_new_tokens=rows * (columns + 1),
        prefix_allowed_tokens_fn=allowed,
        guidance_scale=guidance,
        negative_prompt_ids=negative["input_ids"],
        negative_prompt_attention_mask=negative["attention_mask"],
    )
    grid_BRC = drawn[:, start:].unflatten(1, (rows, columns + 1))
    assert (grid_BRC[..., -1] == prompts.end_of_row).all()
    return grid_BRC[..., :-1].flatten(1) - prompts.first_code


def _greedy(policy: Emu3Policy, text: TextBatch, view: View) -> Tensor:
    """Returns the likeliest token at each step."""
    cache, features = prefill_rows(policy, text, torch.arange(len(text)), view)
    assert isinstance(cache, PaddedCache)
    drawn: list[Tensor] = []
    for index in range(policy.spec.tokens):
        drawn.append(view_logp(policy, features, view).argmax(-1))
        if index + 1 < policy.spec.tokens:
            both = torch.cat([drawn[-1], drawn[-1]]) if view.guided else drawn[-1]
            features = policy.step(both, index, cache)
    return torch.stack(drawn, dim=1)


@pytest.mark.filterwarnings("ignore")  # transformers warns of its own settings
@pytest.mark.parametrize("grid", [(3, 5), (5, 3), (2, 1)])
def test_greedy_tokens_of_a_padded_batch_with_guidance_are_those_of_generate(grid: tuple[int, int]) -> None:
    policy = tiny_emu3(grid=grid)
    text = policy.tokenize(PROMPTS)
    with torch.no_grad():
        ours = _greedy(policy, text, GUIDED)
        assert torch.equal(ours, _generated(policy, text, 3.0))
    if grid == (3, 5):
        assert not torch.equal(ours, _greedy(policy, text, View()))  # guidance does something
        assert len(set(ours[0].tolist())) > 4  # and the tokens do vary


@pytest.mark.filterwarnings("ignore")  # transformers warns of its own settings
def test_greedy_tokens_without_guidance_are_those_of_generate() -> None:
    policy = tiny_emu3()
    text = policy.tokenize(PROMPTS)
    with torch.no_grad():
        assert torch.equal(_greedy(policy, text, View()), _generated(policy, text, 1.0))


def test_log_probabilities_are_those_of_the_whole_vocabulary_with_all_but_the_codes_forbidden() -> None:
    """Of transformers' forward pass over words, codes and ends of rows, row by row without padding."""
    policy, model = tiny_emu3(), tiny_model()
    text = policy.tokenize(PROMPTS)
    text = text.cat(policy.null_like(text))
    tokens_BT = torch.randint(policy.spec.codebook, (len(text), policy.spec.tokens))
    with torch.no_grad():
        ours = policy.head(policy.features(text, tokens_BT)).log_softmax(-1)
    for row, tokens in enumerate(tokens_BT):
        expected = _forbidding(policy, model(input_ids=_sequence(policy, text, row, tokens)).logits[0])
        assert torch.allclose(ours[row], expected, atol=1e-4)


def test_a_drawn_picture_is_scored_as_it_was_drawn_with_the_official_view() -> None:
    policy, model = tiny_emu3(), tiny_model()
    text = policy.tokenize(PROMPTS)
    uniform = torch.rand(3, policy.spec.tokens, dtype=torch.float64)
    view = policy.spec.default_view
    tokens_BT, logp_BT = decode_rows(policy, text, torch.arange(3), uniform, view)
    null = policy.null_like(text)
    for row, tokens in enumerate(tokens_BT):
        conditional, unconditional = (
            _forbidding(policy, model(input_ids=_sequence(policy, each, row, tokens)).logits[0])
            for each in (text, null)
        )
        mixed = (unconditional + 3.0 * (conditional - unconditional)).log_softmax(-1)
        assert torch.allclose(logp_BT[row], mixed.gather(-1, tokens[:, None])[:, 0], atol=1e-4)


def _sequence(policy: Emu3Policy, text: TextBatch, row: int, tokens_T: Tensor) -> Tensor:
    """Returns one row as the text it is: words, preamble, and rows of codes, each with its end."""
    grid_RC = tokens_T.view(policy.config.grid) + policy.prompts.first_code
    lines = [[*line, policy.prompts.end_of_row] for line in grid_RC.tolist()]
    words = text.ids[row][text.mask[row]].tolist()
    return torch.tensor([[*words, *policy.prompts.preamble, *itertools.chain(*lines)]])


def _forbidding(policy: Emu3Policy, logits_SV: Tensor) -> Tensor:
    """Returns the log-probabilities of codes, at the places before codes, all other words forbidden."""
    rows, columns = policy.config.grid
    picture = rows * (columns + 1)
    codes = slice(policy.prompts.first_code, policy.prompts.first_code + policy.spec.codebook)
    forbidden = torch.full_like(logits_SV, -torch.inf)
    forbidden[:, codes] = logits_SV[:, codes]
    places = forbidden[-picture - 1 : -1].log_softmax(-1).unflatten(0, (rows, columns + 1))
    return places[:, :-1, codes].flatten(0, 1)


def test_pictures_are_those_of_transformers_decoder_rounded_and_within_one_level_of_cut_off() -> None:
    policy, model = tiny_emu3(), tiny_model()
    tokens_BT = torch.randint(policy.spec.codebook, (5, policy.spec.tokens))
    images = policy.decode(tokens_BT)
    grid_BRC = tokens_BT.view(5, 3, 5) + policy.prompts.first_code
    ends = torch.full_like(grid_BRC[..., :1], policy.prompts.end_of_row)
    written = torch.cat([torch.cat([grid_BRC, ends], dim=-1).flatten(1), ends[:, :3, 0]], dim=1)
    with torch.no_grad():
        x_BCHW = model.decode_image_tokens(image_tokens=written, height=3, width=5)
    levels = np.clip((x_BCHW.permute(0, 2, 3, 1).double().numpy() + 1) / 2 * 255, 0, 255)
    assert np.abs(images - levels).max() <= 0.5 + 1e-3
    assert np.abs(images.astype(int) - levels.astype(np.uint8)).max() <= 1  # the official script cuts off
    assert images.std() > 10


def test_codes_are_those_of_transformers_encoder() -> None:
    """Two entries are equally near, to rounding, with chance about 1e-5 per code."""
    policy = tiny_emu3()
    images = np.random.default_rng(0).integers(0, 256, (5, 6, 10, 3), dtype=np.uint8)
    x_BCHW = torch.from_numpy(images).permute(0, 3, 1, 2) / 255 * 2 - 1
    with torch.no_grad():
        told = tiny_model().model.vqmodel.encode(x_BCHW, torch.tensor([[6, 10]] * 5))
    codes = policy.encode(images)
    assert told.image_tokens is not None
    assert codes.tolist() == [grid_RC.flatten().tolist() for grid_RC in told.image_tokens]
    assert len(set(codes.flatten().tolist())) > 8
