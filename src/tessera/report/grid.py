"""A sheet of pictures with their prompts, as one image file: what is left to look at without a browser.

One prompt is one block: its caption, then its pictures. Blocks flow from left to right and wrap like words,
on a grid of columns as wide as a picture.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image, ImageDraw, ImageFont

from tessera.report.images import PAPER

INK = (34, 34, 38)
RIGHT = (24, 128, 76)
WRONG = (196, 48, 43)
HAIRLINE = (221, 221, 216)  # the frame of a picture without a mark

MARGIN = 24  # around the sheet, and between shelves of blocks
GAP = 14  # between pictures
CAPTION_GAP = 8  # between a caption and its pictures
MAX_LINES = 6  # of a caption; a longer one is cut with an ellipsis
LEADING = 1.35  # line height over font size
FINE = 8  # badges are drawn so many times larger, then reduced: smooth edges


@dataclass(frozen=True, slots=True)
class _Block:
    """Neighbouring pictures of one caption."""

    lines: tuple[str, ...]
    first: int  # index of its first picture
    count: int
    columns: int

    @property
    def rows(self) -> int:
        return -(-self.count // self.columns)


def captioned_grid(
    images: Sequence[UInt8[ndarray, "H W 3"]],
    captions: Sequence[str],
    columns: int,
    marks: Sequence[bool | None] | None = None,
) -> Image.Image:
    """Returns the sheet: a caption per picture, neighbours with the same caption in one block.

    `columns` is how many pictures stand side by side. A mark frames its picture, green with a tick for True
    and red with a cross for False; None leaves it plain.
    """
    marks = marks if marks is not None else [None] * len(images)
    if not images or columns < 1:
        raise ValueError(f"a grid needs pictures and columns, got {len(images)} and {columns}")
    if not len(images) == len(captions) == len(marks):
        raise ValueError(f"{len(images)} pictures, {len(captions)} captions, {len(marks)} marks")
    if len({image_HWC.shape for image_HWC in images}) > 1:
        raise ValueError(f"pictures of several sizes: {sorted({image.shape for image in images})}")
    height, width, _ = images[0].shape
    font_size = min(max(width // 10, 12), 20)
    font = ImageFont.load_default(font_size)
    line_height = round(font_size * LEADING)

    shelves = _shelves(_blocks(captions, columns, font, width), columns)
    text_heights = [max(len(block.lines) for block in shelf) * line_height for shelf in shelves]
    heights = [
        text_height + CAPTION_GAP + max(block.rows for block in shelf) * (height + GAP) - GAP
        for shelf, text_height in zip(shelves, text_heights, strict=True)
    ]
    used = max(sum(block.columns for block in shelf) for shelf in shelves)
    size = (_span(used, width) + 2 * MARGIN, sum(heights) + MARGIN * (len(shelves) + 1))
    sheet = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(sheet)
    top = MARGIN
    for shelf, text_height, shelf_height in zip(shelves, text_heights, heights, strict=True):
        left = MARGIN
        for block in shelf:
            # Captions stand on their pictures: a short one beside a long one starts lower.
            first_line = top + text_height - len(block.lines) * line_height
            for number, line in enumerate(block.lines):
                draw.text((left, first_line + number * line_height), line, fill=INK, font=font)
            for offset in range(block.count):
                row, column = divmod(offset, block.columns)
                x = left + column * (width + GAP)
                y = top + text_height + CAPTION_GAP + row * (height + GAP)
                sheet.paste(Image.fromarray(images[block.first + offset]), (x, y))
                _frame(sheet, (x, y, x + width, y + height), marks[block.first + offset])
            left += block.columns * (width + GAP)
        top += shelf_height + MARGIN
    return sheet


def _span(columns: int, width: int) -> int:
    """Returns how many pixels so many pictures and the gaps between them cover."""
    return columns * (width + GAP) - GAP


def _blocks(
    captions: Sequence[str], columns: int, font: ImageFont.ImageFont | ImageFont.FreeTypeFont, width: int
) -> list[_Block]:
    """Returns a block for each run of equal captions."""
    blocks = []
    first = 0
    for caption, run in itertools.groupby(captions):
        count = len(list(run))
        side_by_side = min(count, columns)
        lines = wrapped(caption, font, _span(side_by_side, width))
        blocks.append(_Block(lines, first, count, side_by_side))
        first += count
    return blocks


def _shelves(blocks: Sequence[_Block], columns: int) -> list[list[_Block]]:
    """Returns the blocks in rows, each filled before the next begins."""
    shelves: list[list[_Block]] = [[]]
    for block in blocks:
        if sum(b.columns for b in shelves[-1]) + block.columns > columns:
            shelves.append([])
        shelves[-1].append(block)
    return shelves


def wrapped(
    text: str,
    font: ImageFont.ImageFont | ImageFont.FreeTypeFont,
    width: int,
    max_lines: int = MAX_LINES,
) -> tuple[str, ...]:
    """Returns the text in lines no wider than `width` pixels, the last one ellipsised if they do not suffice.

    Lines break at spaces, and inside a word only where it is wider than a line on its own.
    """
    lines: list[str] = []
    rest = " ".join(text.split())
    while rest and len(lines) < max_lines:
        cut = _fitting(rest, font, width)
        if cut < len(rest) and rest[cut] != " " and " " in rest[:cut]:
            cut = rest.rindex(" ", 0, cut)
        lines.append(rest[:cut])
        rest = rest[cut:].lstrip()
    if rest:
        line = lines[-1]
        while line and font.getlength(f"{line}…") > width:
            line = line[:-1]
        lines[-1] = f"{line.rstrip()}…"
    return tuple(line.rstrip() for line in lines)


def _fitting(text: str, font: ImageFont.ImageFont | ImageFont.FreeTypeFont, width: int) -> int:
    """Returns how many characters of the text fit, at least one."""
    count = 1
    while count < len(text) and font.getlength(text[: count + 1]) <= width:
        count += 1
    return count


def _frame(sheet: Image.Image, box: tuple[int, int, int, int], mark: bool | None) -> None:
    """Frames a picture just outside its pixels; a mark adds a badge on the upper right corner."""
    left, top, right, bottom = box
    draw = ImageDraw.Draw(sheet)
    if mark is None:
        draw.rectangle((left - 1, top - 1, right, bottom), outline=HAIRLINE)
        return
    draw.rectangle((left - 2, top - 2, right + 1, bottom + 1), outline=RIGHT if mark else WRONG, width=2)
    badge = _badge(mark)
    # Its centre lies outside the corner, so that it hides next to nothing of the picture.
    sheet.paste(badge, (right + 2 - badge.width // 2, top - 2 - badge.height // 2), badge)


def _badge(mark: bool) -> Image.Image:
    """Returns a tick or a cross on a small disc: the mark does not rest on colour alone."""
    side = 16
    fine = Image.new("RGBA", (side * FINE, side * FINE), (0, 0, 0, 0))
    draw = ImageDraw.Draw(fine)
    edge = side * FINE - 1
    draw.ellipse((0, 0, edge, edge), fill=PAPER)  # a rim of paper sets it off from the picture
    draw.ellipse((FINE, FINE, edge - FINE, edge - FINE), fill=RIGHT if mark else WRONG)
    strokes = (
        [((4.5, 8.3), (7.0, 10.8), (11.5, 5.6))]
        if mark
        else [((5.4, 5.4), (10.6, 10.6)), ((5.4, 10.6), (10.6, 5.4))]
    )
    for stroke in strokes:
        points = [(x * FINE, y * FINE) for x, y in stroke]
        draw.line(points, fill="white", width=round(1.7 * FINE), joint="curve")
        for x, y in (points[0], points[-1]):
            reach = 0.85 * FINE
            draw.ellipse((x - reach, y - reach, x + reach, y + reach), fill="white")
    return fine.resize((side, side), Image.Resampling.LANCZOS)
