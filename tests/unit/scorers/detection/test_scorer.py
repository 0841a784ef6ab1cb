"""What every scorer promises, of the detection scorers with a tiny detector; settings and files refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from jaxtyping import UInt8
from numpy import ndarray

from tessera.config import from_plain, to_plain
from tessera.errors import CheckpointError, UserError
from tessera.protocols import Scorer
from tessera.scorers.detection import grounding_dino
from tessera.scorers.detection.asked import Task
from tessera.scorers.detection.load import ENTRIES, load_detection
from tessera.scorers.detection.scorer import DetectionScorer
from tessera.scorers.detection.settings import DetectionReward, Look
from tessera.scorers.placed import Placement
from tessera.types import Prompt
from tests.unit.scorers.detection import tiny

SMALL = Look(threshold=0.97, short=256, longest=426)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save(tmp_path_factory.mktemp("gdino"))


def scorer(folder: Path, task: Task = "prompt", **changes: Any) -> DetectionScorer:
    settings = {"task": task, "weights": str(folder), "look": SMALL, "place": Placement(device="cpu")}
    return load_detection(DetectionReward(**{**settings, **changes}))


def asking(text: str = "Nothing simple.", **metadata: Any) -> Prompt:
    return Prompt(id="p", text=text, metadata=metadata)


# Some by metadata and some by their sentence; the third and the last but one cannot be judged.
PROMPTS = {
    "object": [
        asking(nouns=["cup", "zebra", "dog"]),
        asking("a stop sign and a car"),
        asking(),
        asking(nouns=["ball", "cup", "cat", "car"]),
        asking(nouns=["cup", "🦄"]),
        asking(nouns=["cup", "zebra", "dog"]),
    ],
    "spatial": [
        asking(spatial=["cup", "next to", "cat"]),
        asking("a dog on the left of a car"),
        asking(spatial=["cup", "inside", "cat"]),
        asking(spatial=["stop sign", "above", "ball"]),
        asking("a dog"),
        asking(spatial=["cup", "next to", "cat"]),
    ],
    "numeracy": [
        asking(numeracy={"cup": 2, "cat": 1}),
        asking("three cups and two dogs"),
        asking("some cups"),
        asking(numeracy={"stop sign": 1}),
        asking(numeracy={"cup": 0}),
        asking(numeracy={"cup": 2, "cat": 1}),
    ],
}
PROMPTS["prompt"] = [PROMPTS[task][row] for row, task in enumerate(["object", "spatial", "numeracy"] * 2)]
TASKS: tuple[Task, ...] = ("object", "spatial", "numeracy", "prompt")


def pictures(count: int = 6) -> UInt8[ndarray, "B 80 96 3"]:
    return np.random.default_rng(0).integers(0, 256, (count, 80, 96, 3), dtype=np.uint8)


@pytest.mark.parametrize("task", TASKS)
def test_a_row_alone_is_the_row_among_others_bit_for_bit(folder: Path, task: Task) -> None:
    one, prompts, images = scorer(folder, task), PROMPTS[task], pictures()
    together = one.score(prompts, images)
    back = one.score(prompts[::-1], images[::-1])
    assert same(back.value_B.flip(0), together.value_B)
    for row, prompt in enumerate(prompts):
        alone = one.score([prompt], images[row : row + 1])
        assert same(alone.value_B, together.value_B[row : row + 1])
        assert alone.reasons == together.reasons[row : row + 1]
    # Different pictures, or the test would show nothing.
    assert len(set(together.value_B[together.value_B.isfinite()].tolist())) > 1


def same(a_B: torch.Tensor, b_B: torch.Tensor) -> bool:
    """Returns whether all bits are equal, NaN in the same places."""
    return torch.equal(a_B.nan_to_num(-1), b_B.nan_to_num(-1))


@pytest.mark.parametrize("batch_size", [2, 5])
def test_the_batch_size_changes_no_bit(folder: Path, batch_size: int) -> None:
    place = Placement(device="cpu", batch_size=batch_size)
    alone, other = (
        each.score(PROMPTS["prompt"], pictures()) for each in (scorer(folder), scorer(folder, place=place))
    )
    assert same(alone.value_B, other.value_B)


@pytest.mark.parametrize("task", TASKS)
def test_what_cannot_be_judged_is_nan_with_a_reason_and_the_rest_in_range(folder: Path, task: Task) -> None:
    scores = scorer(folder, task).score(PROMPTS[task], pictures())
    assert isinstance(scorer(folder, task), Scorer)
    assert scores.value_B.dtype == torch.float64
    for value, reason in zip(scores.value_B.tolist(), scores.reasons, strict=True):
        assert (value != value) == bool(reason)
        assert reason or 0 <= value <= 1
    if task != "prompt":
        assert [row for row, reason in enumerate(scores.reasons) if reason] == [2, 4]
    assert scores.digest == scorer(folder, task).digest()


def test_nothing_to_score_is_an_empty_answer_and_loads_nothing(tmp_path: Path) -> None:
    nowhere = scorer(tmp_path / "not there")
    with pytest.raises(CheckpointError, match="not there is no folder and no hub id"):
        nowhere.score([asking(nouns=["cup"])], pictures(1))
    with pytest.raises(CheckpointError, match=r"get config\.json, tokenizer\.json, model\.safetensors"):
        nowhere.digest()


def test_an_empty_batch_is_an_empty_answer(folder: Path) -> None:
    scores = scorer(folder).score([], np.empty((0, 96, 96, 3), dtype=np.uint8))
    assert (scores.value_B.shape, scores.reasons) == ((0,), ())


def test_more_prompts_than_pictures_is_an_error(folder: Path) -> None:
    with pytest.raises(ValueError, match="zip"):
        scorer(folder).score(PROMPTS["object"], pictures(1))


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Returns the list of the folders that weights are read from, as it grows."""
    read: list[Path] = []
    real: Callable[..., Any] = grounding_dino.pretrained

    def noted(cls: Any, folder: Path) -> Any:
        read.append(folder)
        return real(cls, folder)

    monkeypatch.setattr(grounding_dino, "pretrained", noted)
    return read


def test_weights_are_read_when_first_used_and_once_for_all_tasks(folder: Path, loads: list[Path]) -> None:
    scorers = [scorer(folder, task) for task in TASKS]
    assert [each.digest() for each in scorers]
    assert scorers[0].score([asking()], pictures(1)).reasons[0]  # nothing that could be looked for
    assert loads == []
    for each in scorers:
        each.score(PROMPTS[each.task][:2], pictures(2))
    assert loads == [folder]


def test_weights_that_were_let_go_give_the_same_numbers_again(folder: Path, loads: list[Path]) -> None:
    kept = scorer(folder).score(PROMPTS["prompt"], pictures())
    leaving = scorer(folder, place=Placement(device="cpu", rest="disk"))
    for _ in range(2):
        again = leaving.score(PROMPTS["prompt"], pictures())
        assert same(again.value_B, kept.value_B)
    assert len(loads) == 3


def test_the_digest_names_what_changes_numbers_and_nothing_else(folder: Path, tmp_path: Path) -> None:
    same = scorer(folder).digest()
    assert scorer(folder).digest() == same
    assert scorer(folder, place=Placement(batch_size=3, rest="host", device="cpu")).digest() == same
    other_look = Look(threshold=0.5, short=256, longest=426)
    others = [
        scorer(tiny.save(tmp_path, seed=1)).digest(),
        scorer(folder, "object").digest(),
        scorer(folder, look=other_look).digest(),
        scorer(folder, look=Look(threshold=0.97, short=320, longest=426)).digest(),
    ]
    assert len({same, *others}) == 5


# --- settings, and files that are not what they should be ---------------------------------------------------


def test_settings_are_read_from_data_and_told_apart() -> None:
    plain = {"task": "spatial", "look": {"threshold": 0.4}, "place": {"device": "cpu"}}
    settings = from_plain(DetectionReward, plain, where="test")
    assert settings.look == Look(threshold=0.4, short=800, longest=1333)
    assert to_plain(settings)["kind"] == "gdino"
    assert [load_detection(DetectionReward(task=task)).name for task in TASKS] == [
        "gdino-object",
        "gdino-spatial",
        "gdino-numeracy",
        "gdino",
    ]
    assert {entry.name for entry in ENTRIES} == {
        load_detection(DetectionReward(task=task)).name for task in TASKS
    }


def test_proofs_exist() -> None:
    assert all((Path(__file__).parents[4] / entry.proof).is_file() for entry in ENTRIES)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Look(threshold=1.0), "between 0 and 1, got 1"),
        (lambda: Look(short=200), "between 256 and longest=1333, got 200"),
        (lambda: Look(short=900, longest=800), "got 900"),
        (
            lambda: load_detection(DetectionReward(place=Placement(dtype="bfloat16"))),
            "float32, got dtype=bfloat16",
        ),
    ],
)
def test_settings_that_cannot_be_are_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        make()


def test_a_checkpoint_that_lacks_a_file_is_refused(folder: Path, tmp_path: Path) -> None:
    for path in folder.iterdir():
        if path.name != "tokenizer.json":
            (tmp_path / path.name).symlink_to(path)
    with pytest.raises(CheckpointError, match=r"lacks tokenizer\.json"):
        scorer(tmp_path).score([asking(nouns=["cup"])], pictures(1))


def test_a_torn_tokenizer_is_refused(folder: Path, tmp_path: Path) -> None:
    for path in folder.iterdir():
        if path.name != "tokenizer.json":
            (tmp_path / path.name).symlink_to(path)
    whole = (folder / "tokenizer.json").read_text(encoding="utf-8")
    (tmp_path / "tokenizer.json").write_text(whole[:500], encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"tokenizer\.json cannot be read"):
        scorer(tmp_path).score([asking(nouns=["cup"])], pictures(1))


def test_weights_of_another_model_are_refused(folder: Path, tmp_path: Path) -> None:
    tiny.save(tmp_path)
    settings = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    settings["text_config"]["num_hidden_layers"] = 2
    (tmp_path / "config.json").write_text(json.dumps(settings), encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"lacks model\.text_backbone\.encoder\.layer\.1"):
        scorer(tmp_path).score([asking(nouns=["cup"])], pictures(1))


def test_a_detector_of_broken_weights_scores_nan_and_not_zero(folder: Path, tmp_path: Path) -> None:
    """Comparing NaN with a threshold finds nothing, which would be a measurement."""
    model = tiny.model()
    model.model.text_projection.bias.data[:] = torch.nan
    model.save_pretrained(tmp_path)
    tiny.tokenizer().save(str(tmp_path / "tokenizer.json"))
    scores = scorer(tmp_path, "object").score([asking(nouns=["cup"])], pictures(1))
    assert scores.value_B.isnan().all()
    assert "gave no number" in scores.reasons[0]
