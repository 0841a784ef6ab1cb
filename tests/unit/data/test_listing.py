"""Pictures in a folder with their prompts, in each way that they may be written down."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tessera.data.listing import read_listing, read_picture
from tessera.errors import UserError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Returns a folder with b.png, a.png and sub/c.jpg, and a file that is no picture."""
    place = tmp_path / "pictures"
    (place / "sub").mkdir(parents=True)
    for name in ("b.png", "a.png", "sub/c.jpg"):
        Image.new("RGB", (8, 6), (10, 20, 30)).save(place / name)
    (place / "notes.md").write_text("no picture")
    return place


def test_one_prompt_for_all_goes_with_every_picture_by_name(folder: Path) -> None:
    found = read_listing(folder, None, "a boat")
    assert [each.image for each in found] == ["a.png", "b.png", "sub/c.jpg"]
    assert {each.prompt.text for each in found} == {"a boat"}


def test_a_prompt_a_line_goes_with_the_pictures_in_the_order_of_their_names(folder: Path) -> None:
    (folder.parent / "p.txt").write_text("one\n\ntwo\nthree\n")
    found = read_listing(folder, folder.parent / "p.txt", None)
    assert [(each.image, each.prompt.text) for each in found] == [
        ("a.png", "one"),
        ("b.png", "two"),
        ("sub/c.jpg", "three"),
    ]


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_rows_that_name_their_picture_keep_their_order_and_their_metadata(folder: Path, kind: str) -> None:
    rows = [
        {"image": "sub/c.jpg", "prompt": "x, y", "nouns": "x"},
        {"image": "a.png", "prompt": "z", "nouns": "z"},
    ]
    path = folder.parent / f"p.{kind}"
    if kind == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        path.write_text('image,prompt,nouns\r\nsub/c.jpg,"x, y",x\r\na.png,z,z\r\n')
    found = read_listing(folder, path, None)
    assert [(each.image, each.prompt.text) for each in found] == [("sub/c.jpg", "x, y"), ("a.png", "z")]
    assert [dict(each.prompt.metadata) for each in found] == [{"nouns": "x"}, {"nouns": "z"}]


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("p.txt", "one\ntwo\n", "2 prompts for the 3 pictures"),
        ("p.jsonl", '{"image": "d.png", "prompt": "x"}', "'d.png' is not in"),
        ("p.jsonl", '{"image": "../p.jsonl", "prompt": "x"}', "'../p.jsonl' is not in"),
        ("p.jsonl", '{"image": "a.png", "prompt": "x"}\n{"image": "a.png", "prompt": "y"}', "is there twice"),
        ("p.jsonl", '{"image": "a.png"}', "row 1: expected"),
        ("p.jsonl", "{", "cannot be read"),
        ("p.csv", "image,prompt\na.png,  \n", "the prompt of a.png is empty"),
        ("p.csv", "", "holds no prompt"),
    ],
)
def test_a_list_that_does_not_fit_is_refused_in_one_sentence(
    folder: Path, name: str, text: str, told: str
) -> None:
    (folder.parent / name).write_text(text)
    with pytest.raises(UserError) as error:
        read_listing(folder, folder.parent / name, None)
    assert told in str(error.value)


def test_a_file_or_a_prompt_is_needed_and_not_both(folder: Path) -> None:
    for prompts, text in ((None, None), (folder / "p.txt", "x")):
        with pytest.raises(UserError, match="say what the pictures should show"):
            read_listing(folder, prompts, text)


def test_an_empty_folder_and_none_are_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no picture"):
        read_listing(tmp_path, None, "x")
    with pytest.raises(UserError, match="is no folder"):
        read_listing(tmp_path / "gone", None, "x")


def test_a_picture_is_read_as_rgb_and_a_torn_one_is_told(folder: Path) -> None:
    Image.fromarray(np.full((4, 4, 4), 200, dtype=np.uint8)).save(folder / "rgba.png")
    assert read_picture(folder / "rgba.png").shape == (4, 4, 3)
    (folder / "a.png").write_bytes((folder / "a.png").read_bytes()[:40])
    with pytest.raises(UserError, match=r"a\.png is no picture that can be read"):
        read_picture(folder / "a.png")
