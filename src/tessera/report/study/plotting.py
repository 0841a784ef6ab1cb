"""One drawing, three forms: an SVG file, a PNG file, and the same SVG inside a page, in the page's colours.

Drawings are made with matplotlib in the colours of the light theme. Inside a page each of these colours is
replaced by the variable of `templates/theme.css` that has it, so a drawing follows the theme.
"""

import io
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from tessera.report.study.names import slug

# As in templates/theme.css and templates/study.css, light; no two are alike.
COLOURS: Mapping[str, str] = {
    "paper": "#fcfcfa",
    "ink": "#1c1c20",
    "muted": "#5f6068",
    "rule": "#dcdcd5",
    "in": "#1d5cab",
    "out": "#b94e06",
    "right": "#147a47",
    "wrong": "#bf2d28",
    "grpo": "#6a3fa8",
    "dpo": "#0b7077",
}

SERIES_COLOURS = {"in-domain": "in", "out-of-domain": "out", "neutral": "ink"}

POINT = 4 / 3  # CSS pixels
DENSITY = 200  # dots per inch of a PNG
STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9.0,
    "svg.fonttype": "none",  # text stays text: it can be read aloud and found
    "text.color": COLOURS["ink"],
    "axes.labelcolor": COLOURS["muted"],
    "axes.edgecolor": COLOURS["rule"],
    "axes.facecolor": "none",
    "axes.unicode_minus": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9.0,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "grid.color": COLOURS["rule"],
    "grid.linewidth": 0.6,
    "xtick.color": COLOURS["rule"],
    "ytick.color": COLOURS["rule"],
    "xtick.labelcolor": COLOURS["muted"],
    "ytick.labelcolor": COLOURS["muted"],
    "figure.facecolor": COLOURS["paper"],
    "savefig.facecolor": COLOURS["paper"],
    "legend.frameon": False,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Drawing:
    """A finished drawing. `name` is that of its files, `words` what a screen reader says."""

    name: str
    title: str
    words: str
    caption: str
    svg: str
    png: bytes
    width: int  # CSS pixels at its natural size

    def inline(self) -> Markup:
        """Returns the drawing as markup in the colours of the page's theme."""
        body = self.svg[self.svg.index("<svg") :]
        # Its style sheet would apply to the whole page.
        body = re.sub(r"<(metadata|style)\b.*?</\1>", "", body, flags=re.DOTALL)
        # Names inside a page are shared by all its drawings.
        body = re.sub(r'(?<=\bid=")|(?<=href="#)|(?<=url\(#)', f"{self.name}-", body)
        body = re.sub(r"font(-family)?: ?([^;\"]*)'DejaVu Sans'[^;\"]*", _font, body)
        for name, colour in COLOURS.items():
            body = body.replace(colour, f"var(--{name})")
        label = f'<svg class="drawing" role="img" aria-label="{escape(self.words)}" '
        # matplotlib's text, with nothing of a user's but names that it has escaped already.
        return Markup(body.replace("<svg ", label, 1))


@contextmanager
def drawing_style(name: str) -> Iterator[None]:
    """Draws in the house's style inside the block; `name` makes the file the same each time it is written."""
    with mpl.rc_context({**STYLE, "svg.hashsalt": name}):
        yield


def blank(width: float | int, height: float | int) -> Figure:
    """Returns an empty figure of that size in CSS pixels."""
    return Figure(figsize=(width / POINT / 72, height / POINT / 72), layout="constrained")


def finish(figure: Figure, name: str, *, title: str, words: str, caption: str) -> Drawing:
    """Returns the drawing; call it inside its `drawing_style`."""
    svg, png = io.StringIO(), io.BytesIO()
    FigureCanvasSVG(figure).print_svg(svg, metadata={"Date": None, "Title": title})
    FigureCanvasAgg(figure)
    figure.savefig(png, format="png", dpi=DENSITY, metadata={"Title": title})
    return Drawing(
        name=slug(name),
        title=title,
        words=words,
        caption=caption,
        svg=svg.getvalue(),
        png=png.getvalue(),
        width=round(figure.get_figwidth() * 72 * POINT),
    )


def quiet(axes: Axes) -> None:
    """Leaves an axes its horizontal grid and nothing that draws the eye."""
    axes.grid(axis="y")
    axes.set_axisbelow(True)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _font(match: re.Match[str]) -> str:
    """Returns a font without its family, so that the page's own is used; the shorthand needs one."""
    return f"font: {match[2]}var(--sans)" if match[1] is None else "font-family: var(--sans)"
