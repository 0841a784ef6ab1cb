"""Results as plain lines for a terminal."""

from collections.abc import Mapping
from typing import Any


def summary_lines(summary: Mapping[str, Any]) -> list[str]:
    """Returns a table of `summary.json`: strict with its interval, and soft, per benchmark and category."""
    names = [name for result in summary.values() for name in ("overall", *result["categories"])]
    width = max(14, *(len(name) for name in [*names, *summary])) + 2
    lines = []
    for benchmark, result in summary.items():
        lines.append(f"{benchmark:<{width}}  strict  95 % interval    soft  prompts")
        soft = result["soft"]
        for name, estimate, soft_estimate in (
            ("overall", result["overall"], soft["overall"]),
            *((n, e, soft["categories"][n]) for n, e in result["categories"].items()),
        ):
            cells = (_percent(estimate["mean"]), _percent(estimate["ci_low"]), _percent(estimate["ci_high"]))
            interval = f"{cells[1].strip()} to {cells[2].strip()}"
            lines.append(
                f"  {name:<{width - 2}}  {cells[0]:>6}  {interval:>13}  {_percent(soft_estimate['mean']):>6}"
                f"  {estimate['n']:>7}"
            )
        if result["missing"]:
            lines.append(f"  {result['missing']} of {result['images']} pictures could not be graded")
        lines.append("")
    return lines


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f}"
