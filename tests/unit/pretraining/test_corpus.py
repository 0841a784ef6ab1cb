"""The corpus: captions parse, only the train split is seen, and as many are spoilt as was asked for."""

import random
from functools import cache

import pytest

from tessera.policies.mosaic.config import TransformerConfig
from tessera.pretraining.corpus import CorpusConfig, captioned_scene, random_scene
from tessera.world.grammar import check_words, parse
from tessera.world.prompts import split_of
from tessera.world.scene import Scene
from tessera.world.verify import Reading, verify

COUNT = 2000


@cache
def _draws(config: CorpusConfig, seed: int = 1) -> tuple[tuple[str | None, Scene], ...]:
    rng = random.Random(seed)
    return tuple(captioned_scene(config, rng) for _ in range(COUNT))


def _captioned(config: CorpusConfig) -> list[tuple[str, Scene]]:
    return [(caption, scene) for caption, scene in _draws(config) if caption is not None]


def _is_right(caption: str, scene: Scene) -> bool:
    return verify(parse(caption), Reading(scene, 0, 0.0)).strict == 1


def _deviation(share: float, count: int) -> float:
    """Returns the standard deviation of a share among so many draws."""
    return (share * (1 - share) / count) ** 0.5


def test_every_caption_parses_and_fits_in_the_text_window() -> None:
    captions = [caption for caption, _ in _captioned(CorpusConfig())]
    assert len(captions) > COUNT / 2
    for caption in captions:
        assert len(check_words(caption)) <= TransformerConfig().text_slots
        assert 1 <= parse(caption).total <= 4


def test_a_caption_that_is_not_spoilt_is_right() -> None:
    for caption, scene in _captioned(CorpusConfig(wrong_share=0.0)):
        assert _is_right(caption, scene), caption


@pytest.mark.parametrize("wrong_share", [0.0, 1.0])
def test_no_caption_is_of_the_validation_or_test_split(wrong_share: float) -> None:
    """Wrong captions too: a prompt of a test set, read over another picture, has still been read."""
    captions = [caption for caption, _ in _captioned(CorpusConfig(wrong_share=wrong_share))]
    leaked = [caption for caption in captions if split_of(parse(caption)) != "train"]
    assert not leaked, f"{len(leaked)} of {len(captions)}, for example {leaked[:2]}"


def test_as_many_captions_are_dropped_as_asked() -> None:
    """Within five standard deviations: a correct program fails with chance 6e-7."""
    config = CorpusConfig(null_share=0.1)
    dropped = 1 - len(_captioned(config)) / COUNT
    assert abs(dropped - 0.1) < 5 * _deviation(0.1, COUNT)


def test_as_many_captions_are_wrong_as_asked() -> None:
    """Among captions without a relation, where a changed fact is always false of the picture.

    Within five standard deviations: a correct program fails with chance 6e-7.
    """
    drawn = _captioned(CorpusConfig(wrong_share=0.25))
    kept = [(caption, scene) for caption, scene in drawn if parse(caption).relation is None]
    assert len(kept) > COUNT / 3
    wrong = sum(not _is_right(caption, scene) for caption, scene in kept) / len(kept)
    assert abs(wrong - 0.25) < 5 * _deviation(0.25, len(kept))


def test_a_wrong_caption_is_wrong_of_its_picture() -> None:
    """With a relation too: 'above' instead of 'left' may hold of a diagonal pair, and is then no mistake."""
    drawn = _captioned(CorpusConfig(wrong_share=1.0))
    right = [caption for caption, scene in drawn if _is_right(caption, scene)]
    assert not right, f"{len(right)} of {len(drawn)}, for example {right[:2]}"


def test_as_many_captions_are_in_domain_as_asked() -> None:
    """The short template is out of domain. Five standard deviations: chance 6e-7."""
    captions = [caption for caption, _ in _captioned(CorpusConfig(in_domain_share=0.6))]
    short = sum(caption.startswith("a photo of ") for caption in captions) / len(captions)
    assert abs(short - 0.4) < 5 * _deviation(0.4, len(captions))


def test_a_corpus_is_a_function_of_its_seed() -> None:
    config = CorpusConfig()
    first, again, other = (
        [captioned_scene(config, rng) for _ in range(50)] for rng in map(random.Random, (8, 8, 9))
    )
    assert first == again
    assert first != other


def test_scenes_without_a_caption_show_every_look() -> None:
    """384 looks in 4,000 scenes of 2.5 pieces: one of them is missed with chance below 384 e^-26 = 2e-9."""
    rng = random.Random(10)
    scenes = [random_scene(rng) for _ in range(4000)]
    assert {len(scene) for scene in scenes} == {1, 2, 3, 4}
    assert len({piece.look for scene in scenes for piece in scene}) == 384
