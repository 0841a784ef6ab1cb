"""`tessera doctor`: what is installed, what is missing, and the line that mends it."""

from collections.abc import Sequence
from dataclasses import dataclass

from tessera.cli.common import finish, parse_flags
from tessera.cli.progress import console


@dataclass(frozen=True, kw_only=True)
class Flags:
    """Look at this installation: versions, devices, threads, data, shipped policies.

    Exit code 0 if everything that the shipped policy needs is there, 2 if not.
    """

    json: bool = False
    """print one JSON object on standard output and nothing else"""


def run(arguments: Sequence[str]) -> int:
    """Runs the command; returns the exit code."""
    flags = parse_flags(Flags, "doctor", arguments)

    from tessera.health import inspect

    with console.status("looking"):
        checks = inspect()
    width = max(len(check.name) for check in checks)
    lines = []
    for check in checks:
        lines.append(f"{'ok ' if check.ok else '-- '} {check.name:<{width}}  {check.found}")
        if check.remedy:
            lines.append(f"    {'':<{width}}  {check.remedy}")
    broken = [check.name for check in checks if not check.ok and check.needed]
    lines.append(
        f"Not ready: {', '.join(broken)}." if broken else "Ready. Next: tessera sample --help, or make study"
    )
    result = {check.name: {"ok": check.ok, "found": check.found, "remedy": check.remedy} for check in checks}
    return finish(result, as_json=flags.json, lines=lines) or (2 if broken else 0)
