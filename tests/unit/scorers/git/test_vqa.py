"""GIT-VQA at work on a tiny checkpoint: the contract of a scorer, and what is refused."""

from pathlib import Path
from typing import Any

import pytest

from tessera.config import from_plain
from tessera.errors import CheckpointError
from tessera.protocols import Scorer
from tessera.scorers.git.load import ENTRIES, load_git
from tessera.scorers.git.settings import GitVqaConfig
from tessera.scorers.git.vqa import load_git_vqa, questions
from tessera.scorers.placed import Placement
from tessera.types import Prompt
from tests.unit.scorers.blip import contract
from tests.unit.scorers.blip.contract import Case, Load
from tests.unit.scorers.blip.tiny import VOCABULARY, pictures, words_folder
from tests.unit.scorers.git.tiny import git_folder

CPU = Placement(device="cpu", batch_size=4)


def loader(folder: Path) -> Load:
    """Returns what loads the scorer of a folder."""
    return lambda place: load_git(GitVqaConfig(weights=str(folder), place=place))


@pytest.fixture
def case(tmp_path: Path) -> Case:
    """Returns the scorer with prompts of one, two and three phrases."""
    asked = [["red car"], ["the big blue dog with a star", "cat"], ["cat", "dogs", "small star"]]
    return Case(
        load=loader(git_folder(tmp_path / "one")),
        prompts=[Prompt(id=each[0], text="", metadata={"attr_nouns": each}) for each in asked],
        unscorable=Prompt(id="none", text="a red car"),
        others=[
            loader(git_folder(tmp_path / "two", seed=1)),
            loader(git_folder(tmp_path / "three", resample=2)),
        ],
    )


def test_rows_are_their_own(case: Case) -> None:
    contract.check_rows_are_their_own(case)


def test_what_is_missing_has_a_reason(case: Case) -> None:
    contract.check_what_is_missing_has_a_reason(case)


def test_numbers_of_prompts_and_pictures_agree(case: Case) -> None:
    contract.check_numbers_of_prompts_and_pictures_agree(case)


def test_the_digest_tells_instruments_apart(case: Case) -> None:
    contract.check_the_digest_tells_instruments_apart(case)


def test_weights_are_read_late_and_once(case: Case) -> None:
    contract.check_weights_are_read_late_and_once(case)


def test_half_precision_is_close(case: Case) -> None:
    contract.check_half_precision_is_close(case, atol=0.1)


def test_nouns_with_attributes_come_before_bare_nouns() -> None:
    def asked(category: str = "", **metadata: object) -> tuple[list[str], str]:
        return questions(Prompt(id="", text="", category=category, metadata=metadata))

    both: dict[str, Any] = {"attr_nouns": ["red car"], "nouns": ["car"]}
    assert asked(**both) == (["red car?"], "")
    assert asked(nouns=["car", "dog"], attr_nouns=None, task_type="complex") == (["car?", "dog?"], "")
    assert asked("color", **both) == (["red car?"], "")
    assert "no attr_nouns or nouns" in asked()[1]


@pytest.mark.parametrize("task", ["spatial", "numeracy"])
def test_tasks_that_it_does_not_measure_are_nan_and_no_constant(tmp_path: Path, task: str) -> None:
    scorer = load_git_vqa(GitVqaConfig(weights=str(git_folder(tmp_path)), place=CPU))
    nouns = {"nouns": ["car"]}
    prompts = [
        Prompt(id="", text="", metadata={**nouns, "task_type": task}),
        Prompt(id="", text="", category=task, metadata=nouns),
        Prompt(id="", text="", category="color", metadata=nouns),
    ]
    scores = scorer.score(prompts, pictures(3))
    assert scores.value_B.isnan().tolist() == [True, True, False]
    assert task in scores.reasons[0]
    assert task in scores.reasons[1]


def test_a_picture_is_encoded_once_whatever_is_asked(case: Case) -> None:
    scorer = case.at(4)
    seen: list[int] = []
    with scorer.held.at_work() as model:
        model.git.image_encoder.register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
    scorer.score([*case.prompts, *case.prompts], pictures(6))
    assert sum(seen) == 6


def test_a_folder_that_does_not_fit_together_is_refused(tmp_path: Path) -> None:
    prompt = Prompt(id="", text="", metadata={"nouns": ["car"]})
    folder = git_folder(tmp_path / "sizes", crop_size=14)
    with pytest.raises(CheckpointError, match="pictures of 14 pixels by its preprocessor_config"):
        load_git_vqa(GitVqaConfig(weights=str(folder), place=CPU)).score([prompt], pictures(1))
    folder = words_folder(git_folder(tmp_path / "words"), [*VOCABULARY, "surplus"])
    with pytest.raises(CheckpointError, match="do not belong together"):
        load_git_vqa(GitVqaConfig(weights=str(folder), place=CPU)).score([prompt], pictures(1))
    (folder / "vocab.txt").unlink()
    with pytest.raises(CheckpointError, match=r"lacks vocab.txt.*microsoft/git-large-vqav2.*MIT"):
        load_git_vqa(GitVqaConfig(weights=str(folder), place=CPU))


def test_a_configuration_names_its_scorer(tmp_path: Path) -> None:
    scorer = loader(git_folder(tmp_path))(CPU)
    assert isinstance(scorer, Scorer)
    assert [scorer.name] == [entry.name for entry in ENTRIES] == ["git-vqa"]
    assert from_plain(GitVqaConfig, {"kind": "git-vqa"}, where="here") == GitVqaConfig()
