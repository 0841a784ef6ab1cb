"""What GenEval's eyes keep of what their instruments find."""

from typing import Any

import numpy as np
import pytest

from tessera.scorers.detection.geneval import Seen
from tessera.scorers.detection.geneval_eyes import AT_ONCE, Eyes
from tests.unit.scorers.detection.seeing import Painter, Reader, painted, painted_eyes, row

PLAIN = {"include": [{"class": "dog", "count": 1}]}
COLOURED = {"include": [{"class": "dog", "count": 1, "color": "red"}, {"class": "cat", "count": 1}]}


def see(eyes: Eyes, metadata: dict[str, Any], *objects: Any) -> dict[str, list[Seen]]:
    [seen] = eyes.see([metadata], painted(*objects)[None])
    return seen


def test_objects_of_every_class_are_kept_surest_first() -> None:
    seen = see(
        painted_eyes(),
        PLAIN,
        ("dog", (0, 0, 8, 4), 40, "red"),
        ("dog", (20, 30, 32, 40), 80, "blue"),
        ("cat", (40, 40, 50, 60), 50, "red"),
    )
    assert list(seen) == ["cat", "dog"]  # as GenEval lists them
    assert seen["dog"] == [
        Seen(score=0.8, box=(20.0, 30.0, 32.0, 40.0)),
        Seen(score=0.4, box=(0.0, 0.0, 8.0, 4.0)),
    ]


def test_what_is_not_above_the_threshold_is_not_seen_and_no_more_than_sixteen_are() -> None:
    assert see(painted_eyes(), PLAIN, ("dog", (0, 0, 8, 4), 30, "red")) == {}
    crowd = see(painted_eyes(), PLAIN, *row("dog", 16), *row("dog", 4, percent=70, top=8))
    assert [each.score for each in crowd["dog"]] == [(95 - place) / 100 for place in range(16)]


def test_colours_are_asked_of_all_objects_of_the_classes_that_have_one_and_of_no_other() -> None:
    eyes = Eyes(segmenter=Painter(), colours=(reader := Reader()))
    seen = see(eyes, COLOURED, *row("dog", 3, colour="green"), *row("cat", 2, colour="blue", top=8))
    assert [each.colour for each in seen["dog"]] == ["green"] * 3
    assert [each.colour for each in seen["cat"]] == ["", ""]
    assert reader.asked == ["dog"] * 3


def test_the_classifier_is_not_asked_where_no_prompt_has_a_colour() -> None:
    class Refuses(Reader):
        def names(self, patches: Any) -> list[str]:
            raise AssertionError("asked")

    eyes = Eyes(segmenter=Painter(), colours=Refuses())
    assert see(eyes, PLAIN, *row("dog", 1))
    assert see(eyes, COLOURED, *row("cat", 1)) != {}
    with pytest.raises(AssertionError):
        see(eyes, COLOURED, *row("dog", 1))


def test_a_row_depends_on_no_other_and_few_pictures_are_segmented_at_once() -> None:
    pictures = np.stack(
        [
            painted(*row("dog", place % 4, colour=("red", "blue")[place % 2]), *row("cat", place % 3, top=8))
            for place in range(AT_ONCE + 3)
        ]
    )
    metadata = [(PLAIN, COLOURED)[place % 5 == 0] for place in range(len(pictures))]
    eyes = Eyes(segmenter=(painter := Painter()), colours=Reader())
    together = eyes.see(metadata, pictures)
    assert painter.asked == [AT_ONCE, 3]
    for place, told in enumerate(metadata):
        assert painted_eyes().see([told], pictures[place : place + 1]) == together[place : place + 1]


def test_nothing_to_see_is_an_empty_answer_and_a_missing_prompt_an_error() -> None:
    assert painted_eyes().see([], np.empty((0, 8, 8, 3), dtype=np.uint8)) == []
    with pytest.raises(ValueError, match="zip"):
        painted_eyes().see([PLAIN, PLAIN], painted()[None])
