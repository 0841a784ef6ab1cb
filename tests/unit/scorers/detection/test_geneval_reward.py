"""GenEval as a scorer, on painted pictures: its values by hand, and NaN with the reason."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tessera.config import from_plain, to_plain
from tessera.errors import CheckpointError
from tessera.protocols import Scorer
from tessera.scorers.detection.geneval_load import ENTRIES, load_geneval
from tessera.scorers.detection.geneval_reward import GenEvalScorer
from tessera.scorers.detection.geneval_settings import ColourSettings, GenEvalReward
from tessera.scorers.detection.mask2former.settings import Mask2FormerSettings
from tessera.types import Prompt
from tests.unit.scorers.detection.seeing import painted, painted_eyes, row


def asking(*include: Any, tag: str = "two_object", **more: Any) -> Prompt:
    metadata = {"tag": tag, "include": list(include), "prompt": "text", **more}
    return Prompt(id="p", text="text", metadata=metadata)


def dogs(count: int = 1, **more: Any) -> dict[str, Any]:
    return {"class": "dog", "count": count, **more}


CAT = {"class": "cat", "count": 1}


def score(prompt: Prompt, *objects: Any, strict: bool = False) -> float:
    scores = GenEvalScorer(painted_eyes(), strict).score([prompt], painted(*objects)[None])
    assert scores.reasons == ("",)
    return float(scores.value_B[0])


def test_the_share_of_what_is_asked_for_and_strictly_all_or_nothing() -> None:
    both = asking(dogs(2), CAT)
    assert score(both, *row("dog", 2), *row("cat", 1, top=8)) == 1
    assert score(both, *row("dog", 1), *row("cat", 1, top=8)) == 0.75
    assert score(both, *row("dog", 1), *row("cat", 1, top=8), strict=True) == 0
    assert score(both, *row("dog", 2), *row("cat", 1, top=8), strict=True) == 1


def test_colours_and_places_are_judged() -> None:
    red = asking(dogs(color="red"))
    assert score(red, *row("dog", 1, colour="red")) == 1
    assert score(red, *row("dog", 1, colour="blue")) == 0.5
    beside = asking(CAT, dogs(position=["below", 0]))
    assert score(beside, *row("cat", 1), *row("dog", 1, top=40)) == 1
    assert score(beside, *row("cat", 1, top=40), *row("dog", 1)) == pytest.approx(2 / 3)


def test_counting_prompts_count_only_what_is_sure() -> None:
    unsure = [*row("dog", 1, percent=95), *row("dog", 1, percent=60, top=8)]
    assert score(asking(dogs(1), tag="counting"), *unsure) == 1
    assert score(asking(dogs(1), tag="single_object"), *unsure) == 0


def test_a_missing_object_is_a_zero_and_not_a_nan() -> None:
    assert score(asking(dogs())) == 0


@pytest.mark.parametrize(
    ("metadata", "why"),
    [
        ({}, "include nothing to look for"),
        ({"include": []}, "include nothing to look for"),
        ({"include": "dog"}, "must be a list of clauses"),
        ({"include": ["dog"]}, "must name its class"),
        ({"include": [{"class": "unicorn", "count": 1}]}, "no class 'unicorn'"),
        ({"include": [{"class": "mouse", "count": 1}]}, "no class 'mouse'"),  # GenEval's is computer mouse
        ({"include": [{"class": "dog", "count": 0}]}, "whole number above 0, got 0"),
        ({"include": [{"class": "dog"}]}, "whole number above 0, got None"),
        ({"include": [dogs(color="crimson")]}, "unknown color 'crimson'"),
        ({"include": [dogs(position=["left of", 0])]}, "an earlier clause], got"),
        ({"include": [CAT, dogs(position=["beside", 0])]}, "position of dog must be [left of | right of |"),
        ({"include": [CAT, dogs(position="left of")]}, "position of dog"),
    ],
)
def test_what_cannot_be_judged_is_nan_with_a_reason_and_is_not_looked_at(
    metadata: dict[str, Any], why: str
) -> None:
    images = np.stack([painted(*row("dog", 1))] * 3)
    prompts = [asking(dogs()), Prompt(id="q", text="text", metadata=metadata), asking(dogs(2))]
    scores = GenEvalScorer(painted_eyes(), False).score(prompts, images)
    assert math.isnan(scores.value_B[1])
    assert why in scores.reasons[1]
    assert (scores.value_B[0], scores.value_B[2]) == (1, 0.5)
    assert scores.reasons[::2] == ("", "")


def test_no_row_is_an_empty_answer() -> None:
    scores = GenEvalScorer(painted_eyes(), False).score([], np.empty((0, 8, 8, 3), dtype=np.uint8))
    assert (scores.value_B.shape, scores.reasons) == ((0,), ())


def test_it_is_a_scorer_whose_digest_tells_strict_from_soft() -> None:
    soft, strict = (GenEvalScorer(painted_eyes(), each) for each in (False, True))
    assert isinstance(soft, Scorer)
    assert (soft.name, strict.name) == ("geneval", "geneval-strict")
    assert soft.digest() != strict.digest()


def test_it_is_made_from_its_settings_and_looks_for_weights_when_first_used(tmp_path: Path) -> None:
    plain = {"strict": True, "detector": {"weights": str(tmp_path / "gone.pth")}}
    settings = from_plain(GenEvalReward, plain, where="test")
    assert to_plain(settings)["kind"] == "geneval"
    scorer = load_geneval(settings)
    assert (scorer.name, settings.detector.label) == ("geneval-strict", "GenEval")
    with pytest.raises(CheckpointError, match=r"gone\.pth"):
        scorer.score([asking(dogs())], painted()[None])
    nowhere = GenEvalReward(
        detector=Mask2FormerSettings(weights=str(tmp_path)),
        colours=ColourSettings(weights=str(tmp_path / "nowhere")),
    )
    with pytest.raises(CheckpointError, match=r"lacks config\.json"):
        load_geneval(nowhere).digest()


def test_proofs_exist() -> None:
    assert all((Path(__file__).parents[4] / entry.proof).is_file() for entry in ENTRIES)
    assert [entry.name for entry in ENTRIES] == ["geneval"]
