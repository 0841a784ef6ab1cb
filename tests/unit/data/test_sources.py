"""Training prompts by name, what they are held against, and what is left out of them."""

from collections import Counter
from pathlib import Path

import pytest

from tessera.data.compbench_files import CATEGORIES
from tessera.data.sources import benchmark_prompts, load_source, narrowed, overlap_note, overlap_with
from tessera.data.streams import MosaicStream, take
from tessera.errors import UserError
from tessera.world.grammar import parse
from tessera.world.prompts import split_of
from tests.outside import outside
from tests.unit.data.small import write_data


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Returns a small data directory."""
    return write_data(tmp_path / "data")


def texts(name: str, data: Path) -> list[str]:
    return [prompt.text for prompt in load_source(name, data).prompts() or ()]


def test_compbench_is_its_training_split_category_by_category(data: Path) -> None:
    stream = load_source("compbench", data)
    assert stream.categories == CATEGORIES
    assert len(texts("compbench", data)) == 32
    assert all(" train" in text for text in texts("compbench:color,complex", data))
    assert load_source("compbench:complex,color", data).categories == ("color", "complex")


def test_t2i_r1_can_be_narrowed_to_its_tasks(data: Path) -> None:
    assert load_source("t2i-r1", data).categories == ("color", "spatial", "numeracy", "non")
    assert texts("t2i-r1:spatial,non", data) == ["a photo of a car below a zebra", "A shape of val, number 1"]


def test_a_file_is_a_source_and_can_be_narrowed(tmp_path: Path) -> None:
    path = tmp_path / "with:colon.jsonl"
    path.write_text('{"prompt": "a cup", "category": "x"}\n{"prompt": "a cat", "category": "y"}\n')
    assert texts(str(path), tmp_path) == ["a cup", "a cat"]
    assert texts(f"{path}:y", tmp_path) == ["a cat"]


def test_mosaic_is_without_end_and_needs_no_data(tmp_path: Path) -> None:
    stream = load_source("mosaic-id:color+combos", tmp_path / "nowhere")
    assert isinstance(stream, MosaicStream)
    assert stream.prompts() is None


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("compbnch", "Did you mean 'compbench'"),
        ("geneval", "unknown source of training prompts 'geneval'"),
        ("compbench:colour", "Did you mean 'color'"),
        ("t2i-r1:color,shapes", "unknown category 'shapes'"),
        ("mosaic-id without mosaic-ood", "has no end, and nothing to leave out"),
        ("compbench without genevall", "Did you mean 'geneval'"),
        ("prompts.txt", r"prompts\.txt does not exist"),
    ],
)
def test_a_name_that_means_nothing_is_told_with_the_nearest(data: Path, name: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        load_source(name, data)


def test_missing_data_is_told_with_the_command_that_fetches_it(tmp_path: Path) -> None:
    for name, wanted in (("compbench", "t2i-compbench"), ("t2i-r1", "t2i-r1")):
        with pytest.raises(UserError, match=f"fetch it \\(tessera data get {wanted}\\)"):
            load_source(name, tmp_path)


def test_prompts_of_a_benchmark_are_left_out_and_counted(data: Path) -> None:
    stream = load_source("t2i-r1 without compbench,geneval", data)
    left = [prompt.text for prompt in stream.prompts() or ()]
    assert left == texts("t2i-r1", data)[:3]
    assert stream.notes[1:] == (
        "Left out of t2i-r1, as prompts of compbench: 1 of 4.",
        "Left out of t2i-r1, as prompts of geneval: 0 of 3.",
    )
    assert overlap_note(stream, ["compbench", "geneval"], data) == ""
    assert len(texts("compbench:shape without compbench", data)) == 3


def test_nothing_left_is_an_error(data: Path, tmp_path: Path) -> None:
    path = tmp_path / "all.txt"
    path.write_text("A photo of a bench.\na photo of the red cup\n")
    with pytest.raises(UserError, match="nothing is left to train on"):
        load_source(f"{path} without geneval", data)


def test_changed_files_and_overlaps_are_told_beside_results(data: Path) -> None:
    stream = load_source("compbench", data)
    assert "differ from what Karine-Huang/T2I-CompBench publishes." in stream.notes[0]
    assert overlap_note(stream, ["geneval", "compbench", "my-own", "compbench"], data) == (
        "Overlap: 1 of the 16 prompts of compbench is a training prompt of compbench."
    )
    assert overlap_note(load_source("mosaic-id"), ["mosaic-id", "compbench"], data) == ""


def test_a_benchmark_can_be_narrowed_to_its_categories(data: Path) -> None:
    assert len(benchmark_prompts("compbench:shape,color", data)) == 4
    assert [prompt.category for prompt in benchmark_prompts("geneval:colors", data)] == ["colors"]
    with pytest.raises(UserError, match="unknown benchmark 't2i-r1'"):
        benchmark_prompts("t2i-r1", data)


def test_a_narrowed_name_means_the_same_source_with_fewer_categories(data: Path) -> None:
    assert narrowed("mosaic-id+combos", ["color", "texture"]) == "mosaic-id:color,texture+combos"
    assert narrowed("mosaic-id:color,shape", ["shape"]) == "mosaic-id:shape"
    assert narrowed("compbench", ["shape"]) == "compbench:shape"
    assert narrowed("a/b.csv:x,y without geneval", ["y"]) == "a/b.csv:y without geneval"
    assert load_source(narrowed("t2i-r1 without compbench", ["color"]), data).categories == ("color",)


@pytest.mark.parametrize("name", ["mosaic-id", "mosaic-ood"])
def test_no_training_prompt_of_mosaic_is_a_held_out_one(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A meaning has one split, in whatever words; so the words differ, too."""
    monkeypatch.setattr("tessera.data.sources.MOSAIC_DRAWN", 20)
    found = overlap_with(load_source(name), name, first=500)
    assert (found.train, found.shared) == (500, ())
    assert found.test >= 200  # two splits of six categories, some of which have fewer prompts
    for prompt in take(load_source(name), 0, 0, 100):
        assert split_of(parse(prompt.text)) == "train"
    for prompt in benchmark_prompts(name):
        assert split_of(parse(prompt.text)) != "train"


def test_the_published_training_prompts_make_whole_epochs() -> None:
    data = outside("t2i_compbench").parent
    stream = load_source("compbench", data)
    assert Counter(prompt.category for prompt in take(stream, 0, 0, 800)) == dict.fromkeys(CATEGORIES, 100)
    assert len({prompt.id for prompt in take(stream, 0, 5600, 5600)}) == 5600
    assert stream.notes == ()


def test_seven_published_prompts_are_left_out_of_either_source() -> None:
    """The six that are the same, and the one that is but for an article."""
    data = outside("t2i_compbench").parent
    outside("t2i_r1")
    for name, count in (("compbench", 5600), ("t2i-r1", 7223)):
        stream = load_source(f"{name} without compbench", data)
        assert stream.notes == (f"Left out of {name}, as prompts of compbench: 7 of {count}.",)
        assert overlap_note(stream, ["compbench"], data) == ""
        assert overlap_note(load_source(name, data), ["compbench"], data) == (
            f"Overlap: 6 of the 2400 prompts of compbench are training prompts of {name}, "
            "and 1 more but for an article."
        )
