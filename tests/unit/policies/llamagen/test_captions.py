"""Captions are cleaned as the sampling scripts of LlamaGen do it; each expectation is derived by hand."""

import pytest

from tessera.policies.llamagen.captions import cleaned


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        pytest.param("A photo of two Red circles.", "a photo of two red circles.", id="lower-case"),
        pytest.param("  a   cat\n on a\tmat ", "a cat on a mat", id="spaces"),
        pytest.param("a cat (sitting) [on] a {mat}", "a cat sitting on a mat", id="brackets"),
        pytest.param("a cat — black – on a mat‐", "a cat - black - on a mat", id="dashes"),
        pytest.param("a «red» sign", 'a "red" sign', id="quotation-marks"),
        pytest.param("a dog’s bone", "a dog's bone", id="apostrophe"),
        pytest.param('"a red cat"', "a red cat", id="quoted-as-a-whole"),
        pytest.param("a cat,a dog", "a cat, a dog", id="comma"),
        pytest.param("a <b>bold</b> cat", "a bold cat", id="tags"),
        pytest.param("<person> with a hat", "person with a hat", id="person"),
        pytest.param("a cat&amp;dog", "a cat dog", id="entity"),
        pytest.param("a%20red+cat", "a red cat", id="escaped"),
        pytest.param("a cat https://example.com/cats here", "a cat here", id="address"),
        pytest.param("a cat by @somebody", "a cat by", id="nickname"),
        pytest.param("a cat cat.png", "a cat", id="file"),
        pytest.param("a 红色 cat", "a cat", id="Chinese"),
        pytest.param("红色的圆", "", id="nothing-left"),
        pytest.param("a mug #12 and #12345", "a mug and", id="numbers-of-a-shop"),
        pytest.param("a mug jc6640 of 1234567", "a mug of", id="article"),
        pytest.param("a frame 20×30.5 of wood", "a frame of wood", id="measure"),
        pytest.param("a well-lit room", "a well-lit room", id="one-hyphen"),
        pytest.param("this-is-my-cute-cat", "this is my cute cat", id="many-hyphens"),
        pytest.param("a cat. a dog... a bird", "a cat. a dog a bird", id="dots"),
        pytest.param("a mug, free shipping worldwide", "a mug, worldwide", id="shipping"),
        pytest.param("a cat : a dog", "a cat: a dog", id="colon"),
        pytest.param("a 1960s car", "a 1960s car", id="years-stay"),
        pytest.param("5 cats and 12 dogs", "5 cats and 12 dogs", id="counts-stay"),
    ],
)
def test_captions_are_cleaned_by_rule(caption: str, expected: str) -> None:
    assert cleaned(caption) == expected


def test_a_prompt_of_a_benchmark_keeps_its_words() -> None:
    prompt = "a photo of a green couch and an orange umbrella, to the left of a bear"
    assert cleaned(prompt) == prompt
