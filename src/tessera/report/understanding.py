"""Whether a policy still reads pictures: accuracy before and after, as lines and as a section of a page."""

import math
from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from tessera.report.numbers import MISSING, interval, percent
from tessera.statistics.intervals import Estimate


def understanding_lines(summary: Mapping[str, Any]) -> list[str]:
    """Returns a table of accuracy per policy, and a line for each difference from the first policy."""
    policies = summary["policies"]
    width = max(len("accuracy of reading"), *map(len, policies)) + 2
    lines = [f"{'accuracy of reading':<{width}} accuracy  95 % interval  right"]
    for name, result in policies.items():
        accuracy, reach = _cells(result["overall"])
        right = f"{result['right']} of {result['questions'] - result['missing']}"
        lines.append(f"{name:<{width}} {accuracy:>8}  {reach:>13}  {right}")
        if result["missing"]:
            lines.append(f"  {result['missing']} of {result['questions']} questions without an answer")
        contained, _ = _cells(result["contained"])
        if contained != accuracy:
            lines.append(f"  {contained} where words around a right answer are forgiven")
        if len(result["categories"]) > 1:
            for category, each in result["categories"].items():
                accuracy, reach = _cells(each)
                lines.append(f"  {category or '(none)':<{width - 2}} {accuracy:>8}  {reach:>13}  ")
    return [*lines, *(_change(name, each) for name, each in summary["differences"].items())]


def understanding_section(summary: Mapping[str, Any]) -> Markup:
    """Returns the same as a section of HTML, for a page that has a style of its own."""
    row = Markup("<tr><th scope=row>{}</th><td>{}</td><td>{}</td><td>{} of {}</td></tr>\n")
    rows = Markup().join(
        row.format(name, *_cells(each["overall"]), each["right"], each["questions"] - each["missing"])
        for name, each in summary["policies"].items()
    )
    told = Markup().join(
        Markup("<p>{}</p>\n").format(_change(name, each)) for name, each in summary["differences"].items()
    )
    head = Markup("<tr><th>policy</th><th>accuracy</th><th>95 % interval</th><th>right</th></tr>\n")
    return Markup("<section>\n<h2>Reading pictures</h2>\n<table>\n{}{}</table>\n{}</section>\n").format(
        head, rows, told
    )


def _cells(row: Mapping[str, Any]) -> tuple[str, str]:
    found = Estimate.from_json(row)
    return percent(found.mean, 1), interval(found, 1) or MISSING


def _change(name: str, each: Mapping[str, Any]) -> str:
    effect = each["overall"]
    if effect["value"] is None:
        told = "not known: a category needs two pictures that both policies were asked about"
    else:
        value, low, high = (_points(effect[key]) for key in ("value", "ci_low", "ci_high"))
        told = f"{value} points ({low} to {high}), p = {effect['p_value']:.2g}"
    return f"{name} against {each['from']}: {told}; {each['gained']} gained, {each['lost']} lost"


def _points(share: float) -> str:
    return f"{100 * share:+.1f}" if math.isfinite(share) else MISSING
