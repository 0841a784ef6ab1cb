"""The captioned grid: its size, where pictures land, how marks and long captions look."""

import numpy as np
import pytest
from PIL import ImageFont

from tessera.report.grid import CAPTION_GAP, GAP, LEADING, MARGIN, RIGHT, WRONG, captioned_grid, wrapped

SIDE = 128
LINE = round(12 * LEADING)


def plain(count: int) -> list[np.ndarray]:
    """Returns pictures of distinct greys."""
    return [np.full((SIDE, SIDE, 3), 20 * (i + 1), dtype=np.uint8) for i in range(count)]


def test_one_prompt_is_one_block_with_its_samples_side_by_side() -> None:
    sheet = captioned_grid(plain(6), ["a ring"] * 3 + ["a star"] * 3, columns=3)
    block = LINE + CAPTION_GAP + SIDE
    assert sheet.size == (3 * SIDE + 2 * GAP + 2 * MARGIN, 2 * block + 3 * MARGIN)
    pixels = np.asarray(sheet)
    top = MARGIN + LINE + CAPTION_GAP
    left = MARGIN + SIDE + GAP
    assert (pixels[top : top + SIDE, left : left + SIDE] == 40).all()  # the second picture, untouched
    lower = top + block + MARGIN
    assert (pixels[lower : lower + SIDE, MARGIN : MARGIN + SIDE] == 80).all()  # the fourth


def test_more_samples_than_columns_go_on_below_under_the_same_caption() -> None:
    sheet = captioned_grid(plain(3), ["a ring"] * 3, columns=2)
    assert sheet.size == (2 * SIDE + GAP + 2 * MARGIN, LINE + CAPTION_GAP + 2 * SIDE + GAP + 2 * MARGIN)


def test_single_pictures_of_several_prompts_share_a_row() -> None:
    sheet = captioned_grid(plain(4), ["a", "b", "c", "d"], columns=3)
    assert sheet.width == 3 * SIDE + 2 * GAP + 2 * MARGIN
    assert sheet.height == 2 * (LINE + CAPTION_GAP + SIDE) + 3 * MARGIN


def test_marks_frame_their_picture_and_differ_without_colour() -> None:
    images = [np.full((SIDE, SIDE, 3), 128, dtype=np.uint8)] * 3
    pixels = np.asarray(captioned_grid(images, ["a"] * 3, 3, [True, False, None])).astype(int)
    top = MARGIN + LINE + CAPTION_GAP
    lefts = [MARGIN + i * (SIDE + GAP) for i in range(3)]
    middle = top + SIDE // 2
    assert tuple(pixels[middle, lefts[0] - 1]) == RIGHT
    assert tuple(pixels[middle, lefts[1] - 1]) == WRONG
    assert tuple(pixels[middle, lefts[2] - 1]) not in (RIGHT, WRONG)
    # The badge at the corner: where it is white is the glyph, and tick and cross are different ones.
    glyphs = []
    for left in lefts[:2]:
        corner = pixels[top - 8 : top + 5, left + SIDE - 4 : left + SIDE + 8]
        glyphs.append(corner.min(axis=-1) > 200)
    assert glyphs[0].sum() > 5
    assert (glyphs[0] != glyphs[1]).sum() > 5
    # Nearly nothing of the picture is hidden.
    for left in lefts:
        assert (pixels[top : top + SIDE, left : left + SIDE] == 128).all(axis=-1).mean() > 0.995


def test_lines_fit_break_at_spaces_and_end_in_an_ellipsis() -> None:
    font = ImageFont.load_default(12)
    text = "a small striped red circle on the left of a large checkered purple star drawn on paper"
    lines = wrapped(text, font, 128)
    assert " ".join(lines) == text
    assert all(font.getlength(line) <= 128 for line in lines)
    short = wrapped(text, font, 128, max_lines=2)
    assert len(short) == 2
    assert short[0] == lines[0]
    assert short[1].endswith("…")
    assert font.getlength(short[1]) <= 128


def test_a_word_wider_than_a_line_is_cut_and_an_empty_caption_has_no_line() -> None:
    font = ImageFont.load_default(12)
    lines = wrapped("x" * 60, font, 128)
    assert "".join(lines) == "x" * 60
    assert all(font.getlength(line) <= 128 for line in lines)
    assert wrapped("  ", font, 128) == ()


@pytest.mark.parametrize(
    ("images", "captions", "columns", "marks", "message"),
    [
        ([], [], 2, None, "needs pictures"),
        (plain(1), ["a"], 0, None, "needs pictures"),
        (plain(2), ["a"], 2, None, "2 pictures, 1 captions"),
        (plain(1), ["a"], 2, [True, False], "2 marks"),
    ],
)
def test_what_makes_no_sheet_is_refused(
    images: list[np.ndarray], captions: list[str], columns: int, marks: list[bool | None] | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        captioned_grid(images, captions, columns, marks)
