"""The look that all pages share: templates, and which colour belongs to which benchmark.

A page is one HTML file that needs no network: style, scripts and pictures are inside. Templates extend
`templates/base.html`; whatever they print is escaped.
"""

import re
from functools import cache
from typing import Literal

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from tessera import __version__
from tessera.report import numbers

Series = Literal["in-domain", "out-of-domain", "neutral"]


def render(template: str, **context: object) -> str:
    """Returns a page: the template of that name under `templates/`, filled."""
    return _environment().get_template(template).render(**context)


def series_of(benchmark: str) -> Series:
    """Returns the colour class of a benchmark. Only of mosaic is it known here what training has seen."""
    if not benchmark.startswith("mosaic-"):
        return "neutral"
    family, *axes = benchmark.split("+")
    if family.endswith("-ood") or (axes and family.endswith("-id")):
        return "out-of-domain"
    return "in-domain" if family.endswith("-id") else "neutral"


def with_code(text: str) -> Markup:
    """Returns a line of text in which what stands between backticks is set as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("tessera.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": numbers.percent,
        "interval": numbers.interval,
        "count": numbers.count,
        "plural": numbers.plural,
        "duration": numbers.duration,
        "with_code": with_code,
    }
    environment.globals["version"] = __version__
    return environment
