"""64 short prompts in the manner of T2I-CompBench, shipped: for trials of policies that read any text.

Written here, none taken from there; four of its kinds, 16 prompts each.
"""

from tessera.types import Prompt

NAME = "toy"

COLOURS = ("red", "green", "blue", "yellow")
SHAPES = ("round", "square", "long", "small")
TEXTURES = ("wooden", "metal", "glass", "woollen")
FIRST = ("bowl", "chair", "boat", "kite")
SECOND = ("lamp", "bag", "tree", "stone")
PLACES = ("on the left of", "on the right of", "above", "below")


def toy_prompts() -> list[Prompt]:
    """Returns the prompts, category by category."""
    return [
        *_pairs("color", COLOURS),
        *_pairs("shape", SHAPES),
        *_pairs("texture", TEXTURES),
        *(
            Prompt(
                id=f"{NAME}/spatial/{place:02d}",
                text=f"a {FIRST[place // 4]} {PLACES[place % 4]} a {SECOND[(place + place // 4) % 4]}",
                category="spatial",
            )
            for place in range(16)
        ),
    ]


def _pairs(category: str, words: tuple[str, ...]) -> list[Prompt]:
    """Returns prompts of two things, each with one of the words, never the same."""
    return [
        Prompt(
            id=f"{NAME}/{category}/{place:02d}",
            text=f"a {words[place // 4]} {FIRST[place % 4]} and "
            f"a {words[(place // 4 + 1 + place % 3) % 4]} {SECOND[(place + place // 4) % 4]}",
            category=category,
        )
        for place in range(16)
    ]
