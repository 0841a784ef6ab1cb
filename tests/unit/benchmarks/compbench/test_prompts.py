"""The prompts of the benchmark: from files made here, and all of the published ones."""

from collections import Counter
from pathlib import Path

import pytest

from tessera.benchmarks.compbench.benchmark import CompBench, compbench_prompts
from tessera.benchmarks.compbench.load import load_compbench_benchmark
from tessera.protocols import Observed
from tessera.scorers.compbench.evaluator import Evaluator
from tessera.scorers.compbench.instruments import Instruments, needs
from tessera.scorers.compbench.reading import Reader
from tessera.scorers.compbench.settings import CATEGORIES
from tessera.scorers.compbench.settings import CompBench as CompBenchSettings
from tests.outside import outside


def benchmark(data: Path) -> CompBench:
    evaluator = Evaluator(categories=CATEGORIES, instruments=Instruments(), reader=Reader({}))
    return CompBench(data=data, evaluator=evaluator)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Returns a folder of files as the published ones are: CRLF or not, the last line open, a blank one."""
    dataset = tmp_path / "dataset"
    dataset.mkdir()
    for category in CATEGORIES:
        for split in ("val", "train"):
            text = f"a first {category}\r\n\r\na second piñata {split}"
            (dataset / f"{category}_{split}.txt").write_bytes(text.encode())
    for split in ("val", "train"):
        for kind, text in (
            ("spatial", "A first complex.\n"),
            ("action", f"a SECOND piñata {split}"),
            ("spatialaction", "x"),
        ):
            (dataset / f"complex_{split}_{kind}.txt").write_text(text)
    (dataset / "color_val_seen.txt").write_bytes(b"a first color\r\n")
    (dataset / "color_val_unseen.txt").write_text("a second piñata val")
    return tmp_path


def test_prompts_have_stable_ids_categories_and_kinds(folder: Path) -> None:
    found = benchmark(folder).prompts(None)
    assert [each.category for each in found] == [name for name in CATEGORIES for _ in range(2)]
    color, second = found[:2]
    assert (color.id, color.text) == ("compbench/color_val/0000", "a first color")
    assert (second.id, second.text) == ("compbench/color_val/0001", "a second piñata val")
    assert color.metadata == {"benchmark": "compbench", "half": "seen"}
    assert second.metadata["half"] == "unseen"
    assert [each.metadata["kind"] for each in found[-2:]] == ["spatial", "action"]
    assert "half" not in found[2].metadata  # shape: the files are not there
    assert [each.id for each in benchmark(folder).prompts(1)] == [each.id for each in found[::2]]


def test_a_configuration_names_the_categories(folder: Path) -> None:
    whole = load_compbench_benchmark(CompBenchSettings(categories=("spatial",), official_bugs=True), folder)
    assert [each.category for each in whole.prompts(None)] == ["spatial", "spatial"]
    assert whole.official_bugs


def test_training_prompts_are_read_alike(folder: Path) -> None:
    found = compbench_prompts(folder, "train", ("spatial", "complex"))
    assert [each.id for each in found] == [
        "compbench/spatial_train/0000",
        "compbench/spatial_train/0001",
        "compbench/complex_train/0000",
        "compbench/complex_train/0001",
    ]
    assert found[3].metadata == {"benchmark": "compbench", "kind": "action"}


def test_it_is_a_benchmark_of_the_field(folder: Path) -> None:
    whole = benchmark(folder)
    assert isinstance(whole, Observed)
    assert (whole.name, whole.samples, whole.evidence) == ("compbench", 10, "answers.jsonl")
    assert list(whole.beside(whole.prompts(None))) == []


def test_the_published_files_have_300_val_prompts_of_each_category_and_can_all_be_saved() -> None:
    whole = benchmark(outside("t2i_compbench"))
    found = whole.prompts(None)
    assert Counter(each.category for each in found) == dict.fromkeys(CATEGORIES, 300)
    assert len({each.id for each in found}) == 2400
    assert Counter(each.metadata.get("kind") for each in found if each.category == "complex") == {
        "spatial": 58,
        "action": 212,
        "spatialaction": 30,
    }
    halves = Counter((each.category, each.metadata["half"]) for each in found if "half" in each.metadata)
    # Five of color's 300 are in neither file.
    assert halves["color", "seen"] == 200
    assert halves["color", "unseen"] == 95
    assert halves["shape", "unseen"] == halves["texture", "unseen"] == 100
    assert all(needs(each) for each in found)
    assert not any("_" in each.text for each in found)
    assert len({whole.picture(each, 9) for each in found}) == 2400


def test_the_published_training_files_have_700_prompts_of_each_category() -> None:
    found = compbench_prompts(outside("t2i_compbench"), "train", CATEGORIES)
    assert Counter(each.category for each in found) == dict.fromkeys(CATEGORIES, 700)
    kinds = Counter(each.metadata["kind"] for each in found if each.category == "complex")
    assert kinds == {"spatial": 130, "action": 504, "spatialaction": 66}
