"""DPG-Bench as a benchmark: places, what is seen, the summary by hand, the script's files and grids."""

import json
import math
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
from PIL import Image

from tessera.benchmarks.dpg.benchmark import Dpg
from tessera.benchmarks.dpg.files import read_dpg
from tessera.benchmarks.dpg.grids import main, write_grids
from tessera.benchmarks.dpg.load import load_dpg
from tessera.benchmarks.dpg.settings import DpgSettings
from tessera.benchmarks.graded import Graded
from tessera.config import from_plain, to_plain
from tessera.errors import UserError
from tessera.protocols import Observed
from tessera.storage import write_png
from tests.unit.benchmarks.dpg.painted import PaintedAnswerer, painted
from tests.unit.benchmarks.dpg.table import ROWS, written

KETTLE, HARBOUR = ([row[4] for row in ROWS if row[0] == name] for name in ("kettle12", "harbour3"))
# By the red of a picture, what is answered yes. Of the kettle's four questions count:
SAYS_YES = {
    1: KETTLE,  # 4 of 4
    2: KETTLE[1:],  # no kettle, so only the apples: 1 of 4
    3: [KETTLE[0], KETTLE[2]],  # 2 of 4
    4: [],  # 0
    # and of the harbour's three (watercolour; white ship; ship, which depends on the watercolour):
    5: HARBOUR,  # 3 of 3
    6: HARBOUR[1:],  # no watercolour, so no ship and no white one: 0; by one pass over the rows 1 of 3
}
PLACE = "tests.unit.benchmarks.dpg.painted"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return written(tmp_path / "dpg_bench")


def made(folder: Path, *, official_bugs: bool = False, cannot_tell: tuple[str, ...] = ()) -> Dpg:
    """Returns the benchmark, whose judge reads painted pictures."""
    return Dpg(
        listed=tuple(read_dpg(folder)),
        judge=PaintedAnswerer(says_yes=SAYS_YES, cannot_tell=cannot_tell),
        title="DPG-Bench (painter, not mPLUG)",
        official_bugs=official_bugs,
    )


def graded(benchmark: Dpg, shown: dict[int, list[int]]) -> list[Graded]:
    """Returns verdicts on pictures of the prompts, by their place, in the colours given."""
    found = []
    for place, colours in shown.items():
        prompt = benchmark.prompts(None)[place]
        for sample, colour in enumerate(colours):
            [seen] = benchmark.observe([prompt], painted(colour))
            seen = json.loads(json.dumps(seen))  # as it is kept
            where = str(benchmark.picture(prompt, sample))
            grade = benchmark.verdict(prompt, seen)
            found.append(Graded(prompt=prompt, sample=sample, picture=where, seen=seen, grade=grade))
    return found


def test_it_is_a_benchmark_of_the_field(folder: Path) -> None:
    benchmark = made(folder)
    assert isinstance(benchmark, Observed)
    assert (benchmark.name, benchmark.samples, benchmark.evidence) == ("dpg", 4, "answers.jsonl")
    assert [each.id for each in benchmark.prompts(2)] == ["dpg/kettle12", "dpg/harbour3"]
    assert len(benchmark.prompts(None)) == 3
    assert benchmark.picture(benchmark.prompts(1)[0], 3) == PurePosixPath("pictures/kettle12/3.png")
    assert list(benchmark.beside(benchmark.prompts(None))) == []


def test_what_is_seen_are_chances_in_the_order_of_the_questions(folder: Path) -> None:
    benchmark = made(folder, cannot_tell=(KETTLE[3],))
    [seen] = benchmark.observe(benchmark.prompts(1), painted(3))
    assert seen == {
        "answers": [
            {"id": 1, "yes": 0.75},
            {"id": 2, "yes": 0.25},
            {"id": 3, "yes": 0.75},
            {"id": 4, "yes": None, "reason": "it cannot be told"},
        ]
    }


def test_a_row_depends_on_no_other(folder: Path) -> None:
    benchmark = made(folder)
    prompts, pictures = [*benchmark.prompts(2), *benchmark.prompts(2)], painted(1, 5, 2, 6)
    together = benchmark.grade(prompts, pictures)
    assert [each.strict for each in together] == [1, 1, 0.25, 0]
    alone = [benchmark.grade([prompt], pictures[i : i + 1])[0] for i, prompt in enumerate(prompts)]
    assert alone == together


def test_the_score_is_the_mean_of_pictures_then_of_prompts(folder: Path) -> None:
    """Kettle (1 + .25 + .5 + 0) / 4, harbour (1 + 0) / 2: not the mean of six pictures."""
    told = made(folder).aggregate(graded(made(folder), {0: [1, 2, 3, 4], 1: [5, 6]}))
    assert told["title"] == "DPG-Bench (painter, not mPLUG)"
    assert told["overall"] == pytest.approx(100 * (1.75 / 4 + 0.5) / 2)
    assert (told["images"], told["prompts"], told["missing"]) == (6, 2, 0)


def test_category_scores_are_shares_of_the_answers_as_given(folder: Path) -> None:
    """Entities: kettle 1,0,1,0 and apples 1,1,1,0 and ship 1,1; attributes: copper 1,1,0,0 and white 1,1."""
    told = made(folder).aggregate(graded(made(folder), {0: [1, 2, 3, 4], 1: [5, 6]}))
    assert told["categories"] == {
        "attribute": {"mean": pytest.approx(100 * 4 / 6), "answers": 6},
        "entity": {"mean": pytest.approx(70), "answers": 10},
        "global": {"mean": 50, "answers": 2},
        "relation": {"mean": 50, "answers": 4},
    }
    assert list(told["kinds"]) == ["attribute - color", "entity - whole", "global -", "relation - spatial"]


def test_what_could_not_be_judged_is_counted_as_missing(folder: Path) -> None:
    verdicts = graded(made(folder, cannot_tell=(HARBOUR[0],)), {0: [1, 2], 1: [5], 2: [1]})
    told = made(folder).aggregate(verdicts)
    assert (told["images"], told["prompts"], told["missing"]) == (2, 1, 2)
    assert told["overall"] == pytest.approx(62.5)
    assert "global" not in told["categories"]
    assert math.isnan(made(folder).aggregate(verdicts[2:])["overall"])


def test_with_its_faults_it_counts_as_the_published_script_does(folder: Path) -> None:
    """The kettle loses its first question, on which others depend, and drops out. The harbour's pictures
    are worth 1 and, in the order of the rows, 1 / 3; categories are of the last one alone."""
    benchmark = made(folder, official_bugs=True)
    told = benchmark.aggregate(graded(benchmark, {0: [1, 2], 1: [5, 6]}))
    assert told["overall"] == pytest.approx(100 * 2 / 3)
    assert (told["images"], told["prompts"], told["missing"]) == (2, 1, 2)
    assert told["categories"] == {
        "attribute": {"mean": 100, "answers": 1},
        "entity": {"mean": 100, "answers": 1},
        "global": {"mean": 0, "answers": 1},
    }


def test_with_its_faults_one_unjudged_picture_drops_its_prompt(folder: Path) -> None:
    benchmark = made(folder, official_bugs=True)
    [good, bad] = graded(benchmark, {1: [5]}) + graded(made(folder, cannot_tell=(HARBOUR[0],)), {1: [5]})
    bad = Graded(prompt=bad.prompt, sample=1, picture=bad.picture, seen=bad.seen, grade=bad.grade)
    assert math.isnan(benchmark.aggregate([good, bad])["overall"])
    assert made(folder).aggregate([good, bad])["overall"] == 100


def test_the_result_file_is_the_scripts(folder: Path) -> None:
    benchmark = made(folder)
    [(path, text)] = benchmark.results(graded(benchmark, {0: [1, 2, 3, 4], 1: [5, 6, 6, 6]}))
    assert path == PurePosixPath("dpg-bench_results.txt")
    lines = text.splitlines()
    assert lines[:4] == [
        "grids/kettle12.png, 1.0, 0.25, 0.5, 0.0, 0.4375",
        "grids/harbour3.png, 1.0, 0.0, 0.0, 0.0, 0.25",
        "Model: DPG-Bench (painter, not mPLUG)",
        "L1 category scores:",
    ]
    assert "\tglobal: 25.0" in lines
    assert lines[-1] == "DPG-Bench score: 34.375"


def test_grids_are_cut_by_the_script_into_the_pictures(folder: Path, tmp_path: Path) -> None:
    """The script cuts squares of `resolution` in two rows, the upper left one first."""
    benchmark, rng = made(folder), np.random.default_rng(0)
    pictures = rng.integers(0, 256, size=(2, 4, 6, 6, 3), dtype=np.uint8)
    for prompt, images in zip(benchmark.prompts(2), pictures, strict=True):
        for sample, image_HWC in enumerate(images):
            write_png(tmp_path / benchmark.picture(prompt, sample), image_HWC)
    assert write_grids(tmp_path) == (6, 4)
    assert sorted(path.name for path in (tmp_path / "grids").iterdir()) == ["harbour3.png", "kettle12.png"]
    with Image.open(tmp_path / "grids" / "kettle12.png") as grid:
        assert grid.size == (12, 12)
        for place, (left, top) in enumerate([(0, 0), (6, 0), (0, 6), (6, 6)]):
            cut = np.asarray(grid.crop((left, top, left + 6, top + 6)))
            np.testing.assert_array_equal(cut, pictures[0, place])


def test_grids_say_the_scripts_command(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prompt = made(folder).prompts(1)[0]
    write_png(tmp_path / made(folder).picture(prompt, 0), painted(1)[0])
    assert main([str(tmp_path)]) == 0
    assert f"PIC_NUM=1 bash dpg_bench/dist_eval.sh {tmp_path / 'grids'} 8" in capsys.readouterr().out


def test_grids_are_of_squares_and_of_whole_evaluations(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has no pictures/"):
        write_grids(tmp_path)
    first, second = made(folder).prompts(2)
    write_png(tmp_path / made(folder).picture(first, 0), painted(1)[0])
    write_png(tmp_path / made(folder).picture(second, 0), np.zeros((8, 9, 3), dtype=np.uint8))
    with pytest.raises(UserError, match="not all 8 x 8"):
        write_grids(tmp_path)
    write_png(tmp_path / made(folder).picture(first, 1), painted(1)[0])
    with pytest.raises(UserError, match=r"have \[1, 2\] pictures"):
        write_grids(tmp_path)


def test_the_digest_knows_judge_and_questions(folder: Path) -> None:
    digest = made(folder).digest()
    assert made(folder, official_bugs=True).digest() == digest  # the same is asked
    other = (*ROWS[:-1], (*ROWS[-1][:4], "Can a ship be seen?"))
    assert made(written(folder, other)).digest() != digest


def test_it_is_loaded_from_its_configuration(folder: Path) -> None:
    plain = {"judge": {"function": f"{PLACE}:open_painter"}, "official_bugs": True}
    settings = from_plain(DpgSettings, plain, where="test")
    assert to_plain(settings)["judge"] == {
        "kind": "custom",
        "function": f"{PLACE}:open_painter",
        "published": False,
    }
    loaded = load_dpg(settings, folder.parent)  # the data directory
    assert len(loaded.prompts(None)) == 3
    assert loaded.title == "DPG-Bench (painter, not mPLUG, with the published script's faults)"
    plain = {"data": str(folder), "judge": {"function": f"{PLACE}:open_painter", "published": True}}
    loaded = load_dpg(from_plain(DpgSettings, plain, where="test"), Path("/nowhere"))
    assert loaded.title == "DPG-Bench (painter)"


def test_weights_are_looked_for_only_to_see(folder: Path) -> None:
    gone = from_plain(DpgSettings, {"judge": {"weights": "/gone/Qwen2.5-VL-3B"}}, where="test")
    loaded = load_dpg(gone, folder.parent)
    prompt = loaded.prompts(1)[0]
    [seen] = made(folder).observe([prompt], painted(1))
    assert loaded.verdict(prompt, seen).strict == 1
    assert loaded.title == "DPG-Bench (Qwen2.5-VL-3B, not mPLUG)"
    with pytest.raises(UserError, match=r"/gone/Qwen2\.5-VL-3B is no folder"):
        loaded.observe([prompt], painted(1))
