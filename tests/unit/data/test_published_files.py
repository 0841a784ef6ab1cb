"""The published prompt files as they are read: T2I-CompBench, GenEval, T2I-R1; ragged ones are refused."""

import json
from collections import Counter
from pathlib import Path

import pytest

from tessera.data.compbench_files import CATEGORIES, read_compbench
from tessera.data.geneval_files import read_geneval
from tessera.data.t2i_r1_files import FILE, read_t2i_r1
from tessera.errors import UserError
from tessera.scorers.detection.asked import Numeracy, Objects, Spatial, asked
from tessera.scorers.git.vqa import questions
from tessera.scorers.rows import phrases
from tessera.types import Prompt
from tests.outside import outside
from tests.unit.data.small import write_data


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """Returns a small data directory."""
    return write_data(tmp_path)


# --- T2I-CompBench -----------------------------------------------------------------------------------------


def test_a_prompt_has_its_place_its_category_and_its_benchmark(small: Path) -> None:
    prompts = read_compbench(small / "t2i_compbench", "color", "train")
    assert prompts[3] == Prompt(
        id="compbench/color_train/0003",
        text="a color of train, number 3",
        category="color",
        metadata={"benchmark": "compbench"},
    )
    assert len(prompts) == 4


def test_line_ends_blank_lines_marks_and_a_missing_end_change_no_prompt(small: Path) -> None:
    path = small / "t2i_compbench" / "dataset" / "shape_val.txt"
    path.write_bytes("\ufeffa pi\u00f1ata\r\n\r\n  a cube \n\ra\u2028b\r\n\r\nlast".encode())
    texts = [prompt.text for prompt in read_compbench(small / "t2i_compbench", "shape", "val")]
    assert texts == ["a pi\u00f1ata", "a cube", "a\u2028b", "last"]


def test_a_complex_prompt_says_how_it_is_judged(small: Path) -> None:
    prompts = read_compbench(small / "t2i_compbench", "complex", "train")
    kinds = [prompt.metadata["kind"] for prompt in prompts]
    assert kinds == ["spatial", "action", "spatialaction", "spatialaction"]
    dataset = small / "t2i_compbench" / "dataset"
    (dataset / "complex_val_spatial.txt").write_text("A COMPLEX of val, number 0. And more.\n")
    told = read_compbench(small / "t2i_compbench", "complex", "val")
    assert [prompt.metadata["kind"] for prompt in told] == ["spatial", "action"]
    (dataset / "complex_val_action.txt").write_text("something else\n")
    with pytest.raises(UserError, match=r"'a complex of val, number 1' .* is in none of"):
        read_compbench(small / "t2i_compbench", "complex", "val")


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"\n \r\n", "holds no prompt"), (b"a \xff cup", "no UTF-8 text"), (None, "is missing; fetch it")],
)
def test_a_file_that_cannot_be_read_is_named(small: Path, content: bytes | None, message: str) -> None:
    path = small / "t2i_compbench" / "dataset" / "color_val.txt"
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(UserError, match=f"color_val.txt .*{message}|color_val.txt {message}"):
        read_compbench(small / "t2i_compbench", "color", "val")
    with pytest.raises(UserError, match="Did you mean 'color'"):
        read_compbench(small / "t2i_compbench", "colour", "val")


def test_the_published_files_have_700_and_300_prompts_of_each_category() -> None:
    folder = outside("t2i_compbench")
    for category in CATEGORIES:
        train, val = (read_compbench(folder, category, split) for split in ("train", "val"))
        assert (len(train), len(val)) == (700, 300)
        texts = [prompt.text for prompt in train]
        twice = {"color": 21, "shape": 15, "texture": 5}.get(category, 0)
        assert len(texts) - len(set(texts)) == twice
        assert not any("\r" in text or text != text.strip() for text in texts)
    assert read_compbench(folder, "shape", "train")[186].text.endswith("spherical pi\u00f1ata")


def test_the_published_complex_prompts_are_of_three_kinds() -> None:
    folder = outside("t2i_compbench")
    kinds = {
        split: Counter(prompt.metadata["kind"] for prompt in read_compbench(folder, "complex", split))
        for split in ("train", "val")
    }
    assert kinds["val"] == {"spatial": 58, "action": 212, "spatialaction": 30}
    assert kinds["train"] == {"spatial": 130, "action": 504, "spatialaction": 66}


# --- GenEval -----------------------------------------------------------------------------------------------


def test_a_prompt_of_geneval_is_its_line(small: Path) -> None:
    first, second = read_geneval(small / "geneval")
    assert (first.id, second.id) == ("geneval/00000", "geneval/00001")
    assert (second.text, second.category) == ("a photo of a red cup", "colors")
    assert second.metadata["include"] == [{"class": "cup", "count": 1}]
    for broken in ('{"tag": "colors"', '{"tag": "colors"}', "[]"):
        (small / "geneval" / "evaluation_metadata.jsonl").write_text(f"{broken}\n")
        with pytest.raises(UserError, match=r"prompt 0 cannot be read .*tessera data get geneval"):
            read_geneval(small / "geneval")


def test_the_published_prompts_of_geneval_stand_in_the_order_of_their_tags() -> None:
    prompts = read_geneval(outside("geneval"))
    assert Counter(prompt.category for prompt in prompts) == {
        "single_object": 80,
        "two_object": 99,
        "counting": 80,
        "colors": 94,
        "position": 100,
        "color_attr": 100,
    }
    assert prompts[552].id == "geneval/00552"


# --- T2I-R1 ------------------------------------------------------------------------------------------------


def test_what_a_row_asks_for_is_read_by_detection_git_and_blip(small: Path) -> None:
    color, spatial, numeracy, other = read_t2i_r1(small / "t2i_r1")
    assert (color.id, color.category) == ("t2i-r1/0000", "color")
    assert questions(color) == (["purple elephant?", "blue bear?"], "")
    assert phrases(color, "phrases") == (["purple elephant", "blue bear"], "")
    assert asked(color, "prompt") == Objects(names=("elephant", "bear"))
    assert asked(spatial, "prompt") == Spatial(first="car", relation="below", second="zebra")
    assert asked(numeracy, "prompt") == Numeracy(counts=(("cup", 2), ("cat", 1)))
    assert phrases(other, "phrases") == (["shape"], "")
    assert questions(spatial)[0] == []  # GIT measures attributes, and says why it has no question here


def test_a_broken_row_is_named_by_its_place(small: Path) -> None:
    with (small / "t2i_r1" / FILE).open("a") as file:
        file.write('{"prompt": "a cup", "task_type": "spatial", "spatial_info": {"obj1": "cup"}}\n')
    with pytest.raises(UserError, match=r"prompt 4 cannot be read \('locality'\)"):
        read_t2i_r1(small / "t2i_r1")


def test_the_published_rows_can_all_be_asked_for_but_three() -> None:
    """Those three have one noun twice, which no detector can tell apart."""
    folder = outside("t2i_r1")
    prompts = read_t2i_r1(folder)
    assert Counter(prompt.category for prompt in prompts) == {
        "spatial": 2195,
        "numeracy": 1172,
        "color": 879,
        "complex": 700,
        "non": 700,
        "texture": 695,
        "shape": 682,
        "object": 200,
    }
    found = [asked(prompt, "prompt") for prompt in prompts]
    assert Counter(type(each) for each in found) == {Objects: 3671, Spatial: 2377, Numeracy: 1172, str: 3}
    assert all(phrases(prompt, "phrases")[0] for prompt in prompts)
    rows = [json.loads(line) for line in (folder / FILE).read_text().splitlines()]
    assert [row["prompt"] for row in rows] == [prompt.text for prompt in prompts]
