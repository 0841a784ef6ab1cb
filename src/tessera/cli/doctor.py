"""`tessera doctor`: what is installed, what is missing, and the line that mends it."""

from collections.abc import Sequence
from dataclasses import dataclass

from tessera.cli.common import finish, parse_flags
from tessera.cli.progress import console


@dataclass(frozen=True, kw_only=True)
class Flags:
    """Look at this installation: versions, devices, threads, data, shipped policies.

    Exit code 0 if everything that the shipped policy needs is there, 2 if not.
    With --policy: what of a policy trains and what stays. A published one is not fetched for that.

    Example: tessera doctor --policy janus-pro-7b
    """

    policy: str | None = None
    """look at this policy instead: a name, random:NAME, or a folder"""
    json: bool = False
    """print one JSON object on standard output and nothing else"""


def run(arguments: Sequence[str]) -> int:
    """Runs the command; returns the exit code."""
    flags = parse_flags(Flags, "doctor", arguments)

    if flags.policy is not None:
        return _policy(flags.policy, as_json=flags.json)

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


def _policy(name: str, *, as_json: bool) -> int:
    """Tells what of a policy trains and what stays; returns the exit code."""
    from dataclasses import asdict

    from tessera.policies.parts import outline, parts_of

    with console.status("looking"):
        parts = parts_of(outline(name))
    width = max(len(part.name) for part in parts)
    lines = [
        f"{'trains' if part.trains else 'frozen'}  {part.name:<{width}}  {part.parameters:>14,}  {part.dtype}"
        for part in parts
    ]
    trained = sum(part.parameters for part in parts if part.trains)
    total = sum(part.parameters for part in parts)
    lines.append(
        f"{trained:,} of {total:,} parameters train ({trained / total:.1%}); with an adapter, its own do."
    )
    result = {
        "policy": name,
        "trained": trained,
        "parameters": total,
        "parts": [asdict(part) for part in parts],
    }
    return finish(result, as_json=as_json, lines=lines)
