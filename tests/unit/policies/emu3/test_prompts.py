"""The text around a prompt, the window and the null prompt, by hand."""

from typing import Any

import pytest
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers

from tessera.errors import CheckpointError, PromptError, UserError
from tessera.policies.emu3.config import NEGATIVE, SUFFIX, Emu3Config
from tessera.policies.emu3.prompts import NEEDED, Prompts, code_token
from tessera.policies.emu3.published import byte_tokenizer
from tests.contracts.emu3 import CODEBOOK, tiny_settings

BEGIN, PAD, END_OF_ROW, START, TOKEN = range(256, 261)  # behind the 256 bytes
FIRST_CODE = 262


def _prompts(**settings: Any) -> Prompts:
    return Prompts(byte_tokenizer(CODEBOOK), tiny_settings(**settings), codebook=CODEBOOK)


def _text(prompts: Prompts, ids: list[int]) -> str:
    letters = {number: token for token, number in prompts.vocabulary.items()}
    return "".join(letters[number] for number in ids).replace("Ġ", " ")


def test_a_prompt_and_the_preamble_are_the_text_of_the_official_script() -> None:
    """The line of docs and script: prompt and suffix are joined without a space but the suffix's own."""
    prompts = _prompts(suffix=SUFFIX, negative_prompt=NEGATIVE, text_slots=256, grid=(90, 68))
    words = prompts.batch(["  a red star.\n"])
    ids = [*words.ids[0][words.mask[0]].tolist(), *prompts.preamble]
    assert _text(prompts, ids) == (
        "<|extra_203|>a red star. masterpiece, film grained, best quality.<|image start|>90*68<|image token|>"
    )


def test_the_text_read_in_pieces_is_the_text_read_at_once() -> None:
    prompts = _prompts()
    words = prompts.batch(["a star 3*5"])
    ids = [*words.ids[0][words.mask[0]].tolist(), *prompts.preamble]
    whole = "<|extra_203|>a star 3*5 fine.<|image start|>3*5<|image token|>"
    assert ids == prompts.tokenizer.encode(whole).ids


def test_the_null_prompt_is_the_negative_one_without_a_suffix() -> None:
    prompts = _prompts()
    null = prompts.null(2)
    assert null.mask.sum(1).tolist() == [8, 8]
    assert [_text(prompts, ids[mask].tolist()) for ids, mask in zip(null.ids, null.mask, strict=True)] == [
        "<|extra_203|>blurry."
    ] * 2
    empty = _prompts(negative_prompt="").null(1)
    assert empty.ids[0][empty.mask[0]].tolist() == [BEGIN]


def test_a_short_prompt_stands_at_the_right_end_behind_masked_padding() -> None:
    batch = _prompts(text_slots=20).batch(["ab", "abcdef"])
    assert batch.mask.sum(1).tolist() == [9, 13]  # begin, prompt, " fine."
    assert batch.mask[0].tolist() == [False] * 11 + [True] * 9
    assert set(batch.ids[0, :11].tolist()) == {PAD}
    assert batch.ids[0, 11] == batch.ids[1, 7] == BEGIN


def test_words_are_those_of_the_official_tokenizer_not_of_gpt_2() -> None:
    """By hand from the rule: one sign goes with the letters behind it, digits stand alone."""
    tokenizer = _prompts().tokenizer
    text = "It's a blue-green (2x42) cup!\n\nI'M  here"
    pieces = tokenizer.pre_tokenizer.pre_tokenize_str(text)  # pyright: ignore[reportOptionalMemberAccess]
    assert [piece.replace("Ġ", " ").replace("Ċ", "\n") for piece, _ in pieces] == [
        *("It", "'s", " a", " blue", "-green", " (", "2", "x", "4", "2", ")", " cup", "!\n\n", "I", "'M"),
        *(" ", " here"),
    ]


def test_merges_run_over_official_words_whatever_the_file_says() -> None:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {letter: place for place, letter in enumerate([*alphabet, "-b", "42"])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[("-", "b"), ("4", "2")]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)  # pyright: ignore[reportAttributeAccessIssue]
    every = (*NEEDED, *(code_token(number) for number in range(CODEBOOK)))
    tokenizer.add_special_tokens([AddedToken(each, normalized=False) for each in every])
    before = tokenizer.encode("a-b42").tokens
    batch = Prompts(tokenizer, tiny_settings(suffix=""), codebook=CODEBOOK).batch(["a-b42"])
    ours = [tokenizer.id_to_token(number) for number in batch.ids[0][batch.mask[0]].tolist()]
    assert ours == ["<|extra_203|>", "a", "-b", "4", "2"]
    assert before == ["a", "-", "b", "42"]


def test_letters_are_composed_before_they_are_read() -> None:
    prompts = _prompts()
    assert prompts.batch(["gu\u0308rtel"]).ids.tolist() == prompts.batch(["g\u00fcrtel"]).ids.tolist()


def test_a_prompt_that_does_not_fit_is_refused_with_the_limit() -> None:
    prompts = _prompts(text_slots=20)
    assert prompts.batch(["x" * 13]).mask.all()
    with pytest.raises(PromptError, match=r"21 tokens .* at most 20 \(emu3.text_slots\)"):
        prompts.batch(["x" * 14])


@pytest.mark.parametrize("token", [*NEEDED, code_token(0), code_token(63), "<image>"])
def test_a_prompt_cannot_hold_a_token_of_the_picture(token: str) -> None:
    with pytest.raises(PromptError, match="reserves"):
        _prompts(text_slots=60).batch([f"a star {token}"])


@pytest.mark.parametrize("prompt", ["", "  \n"])
def test_an_empty_prompt_is_refused(prompt: str) -> None:
    with pytest.raises(PromptError, match="empty"):
        _prompts().batch([prompt])


@pytest.mark.parametrize("wrong", ["bad <|image end|> <|image token|>", "x" * 40])
def test_an_impossible_null_prompt_is_refused_at_once(wrong: str) -> None:
    with pytest.raises(UserError, match=r"emu3\.negative_prompt"):
        _prompts(negative_prompt=wrong)


@pytest.mark.parametrize("lacking", NEEDED)
def test_a_tokenizer_without_the_tokens_of_emu3_is_refused(lacking: str) -> None:
    tokenizer = byte_tokenizer(CODEBOOK, tuple(each for each in NEEDED if each != lacking))
    with pytest.raises(CheckpointError, match="is not that of an Emu3 model"):
        Prompts(tokenizer, tiny_settings(), codebook=CODEBOOK)


def test_a_tokenizer_with_fewer_codes_or_in_another_order_is_refused() -> None:
    with pytest.raises(CheckpointError, match=r"visual token 000064.* at place 64 of the 65"):
        Prompts(byte_tokenizer(64), tiny_settings(), codebook=65)
    early = byte_tokenizer(64, (*NEEDED, code_token(0), code_token(2)))
    with pytest.raises(CheckpointError, match=r"visual token 000001.* at place 1 of the 64"):
        Prompts(early, tiny_settings(), codebook=64)


def test_what_a_tokenizer_file_says_of_padding_and_cutting_changes_nothing() -> None:
    tokenizer = byte_tokenizer(CODEBOOK)
    tokenizer.enable_padding(length=64)
    tokenizer.enable_truncation(max_length=3)
    other = Prompts(tokenizer, tiny_settings(), codebook=CODEBOOK)
    assert other.batch(["a star"]).ids.tolist() == _prompts().batch(["a star"]).ids.tolist()
    assert other.first_code == FIRST_CODE


def test_the_digest_knows_what_surrounds_a_prompt_and_not_the_window() -> None:
    digest = _prompts().digest()
    assert digest == _prompts().digest() == _prompts(text_slots=50).digest()
    others = ({"suffix": " bad."}, {"negative_prompt": ""}, {"grid": (5, 3)})
    assert len({digest, *(_prompts(**other).digest() for other in others)}) == 4


@pytest.mark.parametrize("wrong", [{"text_slots": 1}, {"vq_batch": 0}, {"grid": (0, 4)}, {"grid": (3, -1)}])
def test_impossible_sizes_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"emu3\."):
        Emu3Config(**wrong)
