"""Names beside the marks of a drawing, placed so that they hide neither a mark nor one another."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tessera.report.study.plotting import COLOURS

Spot = tuple[float, float]


@dataclass(frozen=True, slots=True)
class _Box:
    """A label on the plane, in pixels."""

    left: float
    right: float
    low: float
    high: float

    def meets(self, other: "_Box") -> bool:
        """Returns whether the two overlap."""
        return (
            self.left < other.right
            and other.left < self.right
            and self.low < other.high
            and other.low < self.high
        )


def label_spots(
    figure: Figure,
    axes: Axes,
    spots: Sequence[Spot],
    texts: Sequence[str],
    colours: Sequence[str],
    avoid: Sequence[Spot] = (),
) -> None:
    """Writes a name beside each spot, where it hides none of the others if there is room."""
    figure.draw_without_rendering()
    place: list[list[float]] = [axes.transData.transform(spot).tolist() for spot in spots]
    other: list[list[float]] = [axes.transData.transform(spot).tolist() for spot in avoid]
    unit = figure.dpi / 72  # pixels per point
    taken = [_Box(x - 5 * unit, x + 5 * unit, y - 5 * unit, y + 5 * unit) for x, y in place]
    taken += [_Box(x - unit, x + unit, y - unit, y + unit) for x, y in other]
    for (x, y), spot, text, colour in zip(place, spots, texts, colours, strict=True):
        tried = list(_around(x, y, 5.4 * unit * len(text), 11 * unit, 8 * unit))
        frame = axes.bbox
        free = [
            (box, shift, side)
            for box, shift, side in tried
            if not any(box.meets(each) for each in taken)
            and box.left > frame.x0
            and box.right < frame.x1 + 20
        ]
        box, (dx, dy), side = (free or tried)[0]
        taken.append(box)
        axes.annotate(
            text,
            spot,
            (dx / unit, dy / unit),
            textcoords="offset points",
            ha=side,
            va="center",
            size=8.5,
            color=COLOURS[colour],
        )


def _around(
    x: float, y: float, width: float, height: float, gap: float
) -> Iterator[tuple[_Box, tuple[float, float], str]]:
    """Yields places for a label around a spot, the nearest first: its box, its offset, its alignment."""
    for up in (1.2, -1.2, 0.0, 2.2, -2.2, 3.2, -3.2):
        for side, sign in (("left", 1), ("right", -1)):
            dx, dy = sign * gap, up * gap * 1.15
            left = x + dx if sign > 0 else x + dx - width
            yield _Box(left, left + width, y + dy - height / 2, y + dy + height / 2), (dx, dy), side
