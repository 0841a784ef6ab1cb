"""`tessera scorers`: every instrument with its role, checkpoint, licence, size, unit, needs and proof."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tessera.cli.common import finish, parse_flags

if TYPE_CHECKING:
    from tessera.scorers.entry import Entry


@dataclass(frozen=True, kw_only=True)
class Flags:
    """List what can score a picture: what it is for, where its weights live, on which terms, what proves it.

    Example: tessera scorers
    """

    json: bool = False
    """print one JSON object on standard output and nothing else"""


def run(arguments: Sequence[str]) -> int:
    """Runs the command; returns the exit code."""
    flags = parse_flags(Flags, "scorers", arguments)

    from tessera.rewards.catalogue import ENTRIES

    result = {
        "scorers": [
            {
                "name": entry.name,
                "role": entry.role,
                "checkpoints": [{"repo": home.repo, "licence": home.licence} for home in entry.homes],
                "size": entry.size,
                "unit": entry.unit,
                "needs": entry.needs,
                "proof": entry.proof,
                "source": entry.source,
            }
            for entry in ENTRIES
        ]
    }
    return finish(result, as_json=flags.json, lines=[line for entry in ENTRIES for line in lines_of(entry)])


def lines_of(entry: "Entry") -> list[str]:
    """Returns what a person reads of one scorer."""
    homes = [f"{home.repo} ({home.licence})" for home in entry.homes] or ["shipped with the package"]
    facts = (
        ("weights", "; ".join(homes)),
        ("unit", entry.unit),
        ("needs", entry.needs),
        ("proof", entry.proof),
        ("source", entry.source),
    )
    told = [f"  {name:<8} {text}" for name, text in facts if text]
    return [f"{entry.name}: {entry.role}, {entry.size}", *told, ""]
