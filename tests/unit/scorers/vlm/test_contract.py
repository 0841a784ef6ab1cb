"""Every scorer of this package keeps the contract."""

from pathlib import Path

import pytest

from tessera.scorers.vlm.hpsv3 import load_hpsv3
from tessera.scorers.vlm.load import ENTRIES, PROOF, load_vlm, load_vlm_reward
from tessera.scorers.vlm.orm import load_orm
from tessera.scorers.vlm.settings import HpsV3, OrmVlm, UnifiedReward, UnifiedRewardPairs, VqaScore
from tests.unit.scorers.vlm import contract, published, tiny
from tests.unit.scorers.vlm.contract import Case
from tests.unit.scorers.vlm.tiny import CPU


def hps(folder: Path, seed: int) -> Path:
    published.hps_base(folder / "base")
    return published.hps_weights(folder, published.hps_state(seed))


CASES = {
    "unifiedreward": Case(
        make=tiny.qwen,
        load=lambda folder, place: load_vlm(UnifiedReward(weights=str(folder), place=place)),
        holder=lambda scorer: scorer.qwen.held,
    ),
    "vqascore": Case(
        make=tiny.qwen,
        load=lambda folder, place: load_vlm(VqaScore(weights=str(folder), place=place)),
        holder=lambda scorer: scorer.qwen.held,
    ),
    "orm-vlm": Case(
        make=lambda folder, seed: tiny.llava_authors(folder, published.llava_state(seed)),
        load=lambda folder, place: load_orm(OrmVlm(weights=str(folder), place=place), published.TOWER),
        holder=lambda scorer: scorer.held,
    ),
    "hpsv3": Case(
        make=hps,
        load=lambda folder, place: load_hpsv3(
            HpsV3(weights=str(folder), base=str(folder / "base"), place=place)
        ),
        holder=lambda scorer: scorer.held,
    ),
}


@pytest.fixture(scope="module", params=CASES)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Case, Path, Path]:
    """Returns each case with two folders, of other weights."""
    case = CASES[request.param]
    folders = [tmp_path_factory.mktemp(request.param) for _ in range(2)]
    return case, case.make(folders[0], 0), case.make(folders[1], 1)


def test_weights_are_read_when_needed_and_once(made: tuple[Case, Path, Path]) -> None:
    contract.check_weights(*made[:2])


def test_rows_are_their_own(made: tuple[Case, Path, Path]) -> None:
    contract.check_rows(*made[:2])


def test_nothing_to_score_is_no_work(made: tuple[Case, Path, Path]) -> None:
    contract.check_nothing_to_score(*made[:2])


def test_the_digest_names_the_instrument(made: tuple[Case, Path, Path]) -> None:
    contract.check_digest(*made)


def test_a_trunk_of_half_the_width_gives_nearly_the_same_number(made: tuple[Case, Path, Path]) -> None:
    contract.check_half(*made[:2])


def test_scorers_that_name_one_folder_share_its_weights(tmp_path: Path) -> None:
    folder = str(tiny.qwen(tmp_path))
    marks = CASES["unifiedreward"].load(tmp_path, CPU)
    answers = CASES["vqascore"].load(tmp_path, CPU)
    pairs = load_vlm_reward(UnifiedRewardPairs(weights=folder, place=CPU))
    texts = load_vlm(UnifiedReward(weights=folder, reading="text", place=CPU))
    held = {id(each.qwen.held) for each in (marks, answers, pairs, texts)}  # pyright: ignore[reportAttributeAccessIssue] - all four are made of a Qwen
    assert len(held) == 1
    assert len({each.digest() for each in (marks, answers, pairs, texts)}) == 4


def test_every_scorer_is_told_of() -> None:
    kinds = {"unifiedreward", "unifiedreward-pairs", "orm-vlm", "vqascore", "hpsv3"}
    assert {entry.name for entry in ENTRIES} == kinds
    assert kinds == {
        settings.kind
        for settings in (
            UnifiedReward(),
            UnifiedRewardPairs(),
            OrmVlm(accept_noncommercial=True),
            VqaScore(),
            HpsV3(),
        )
    }
    assert (Path(__file__).parents[4] / PROOF).is_file()
