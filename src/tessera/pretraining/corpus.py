"""What the embedded policy learns from: endless captioned scenes of both families, some captions wrong.

Only descriptions of the train split appear, so the prompts of every validation and test set are new to the
base policy as well. Wrong captions are what leaves room for reinforcement learning: a model of noisy pairs
puts mass on pictures that miss a fact.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tessera.world.categories import CATEGORIES, Family
from tessera.world.grammar import Description, change_one_fact
from tessera.world.prompts import draw, draw_scene, sentence, split_of
from tessera.world.scene import COLORS, SIZES, TEXTURES, Scene, place, random_look
from tessera.world.verify import Reading, verify

EASY = "colors"  # the category of one piece with its colour
# How often a category is drawn, 1 unless named: counts are learnt last, and forgotten first under guidance.
WEIGHTS = {"numeracy": 3, "counting": 3, "complex": 2}


@dataclass(frozen=True, kw_only=True, slots=True)
class CorpusConfig:
    """How captions are spoilt."""

    wrong_share: float = 0.25  # captions with one fact changed
    detail_share: float = 0.75  # captions that name more than their category does; see `_in_detail`
    null_share: float = 0.1  # captions dropped, for classifier-free guidance
    in_domain_share: float = 0.6  # long sentences are harder, and there are more of them
    easy_until: float = 0.25  # share of the training over which single, fully named pieces fade out


def captioned_scene(
    config: CorpusConfig, rng: random.Random, progress: float = 1.0
) -> tuple[str | None, Scene]:
    """Returns (caption, scene) at a point of the training (0 to 1); None is a dropped caption."""
    family: Family = "id" if rng.random() < config.in_domain_share else "ood"
    easy = rng.random() * config.easy_until > progress
    category = EASY if easy else _category(family, rng)
    in_detail = easy or rng.random() < config.detail_share
    while True:
        description = draw(category, rng, axes=None)
        if in_detail:
            description = _in_detail(description, rng)
        if split_of(description) == "train":
            break
    scene = draw_scene(description, rng)
    if rng.random() < config.null_share:
        return None, scene
    if rng.random() < config.wrong_share:
        description = _spoilt(description, scene, rng)
    return sentence(family, description, rng), scene


def _category(family: Family, rng: random.Random) -> str:
    names = CATEGORIES[family]
    return rng.choices(names, [WEIGHTS.get(name, 1) for name in names])[0]


def _spoilt(description: Description, scene: Scene, rng: random.Random) -> Description:
    """Returns the description with one fact changed, of the train split too, and false of the scene."""
    while True:  # 'above' instead of 'left' holds of a diagonal pair
        _, changed = change_one_fact(description, rng)
        if split_of(changed) == "train" and verify(changed, Reading(scene, 0, 0.0)).strict == 0:
            return changed


def _in_detail(description: Description, rng: random.Random) -> Description:
    """Returns the description with most of its open attributes settled.

    Every phrase of every category names a shape, few name a colour: without these captions the model draws
    perfect shapes and ignores colours for the first hundred thousand pictures.
    """
    phrases = tuple(
        replace(
            phrase,
            color=phrase.color or _often(COLORS, rng),
            texture=phrase.texture or _often(TEXTURES, rng),
            size=phrase.size or _often(SIZES, rng),
        )
        for phrase in description.phrases
    )
    return Description(phrases, description.relation)


def _often(values: Sequence[str], rng: random.Random) -> str | None:
    return rng.choice(values) if rng.random() < 0.8 else None


def random_scene(rng: random.Random) -> Scene:
    """Returns a scene without a caption, every look equally likely: what the tokenizer trains on."""
    looks = [random_look(rng, texture=rng.choice(TEXTURES)) for _ in range(rng.randint(1, 4))]
    return place(looks, rng)
