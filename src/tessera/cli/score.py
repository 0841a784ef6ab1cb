"""`tessera score`: scorers on anybody's pictures, as tables and as a page in the order of the scores."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tessera.cli.common import command_line, finish, link, parse_flags
from tessera.cli.progress import progress_bar
from tessera.errors import UserError

if TYPE_CHECKING:
    from tessera.protocols import Scorer

PAGE = "report.html"


@dataclass(frozen=True, kw_only=True)
class Flags:
    """Score pictures that are there already: scores.csv, scores.jsonl, and a page sorted by score.

    `tessera scorers` lists what can score. Settings of a scorer follow its name.
    Example: tessera score --scorer clipscore aesthetic --images pictures --prompts p.jsonl --out runs/scores
    """

    images: Path
    """folder of pictures"""
    out: Path
    """folder of the scores"""
    scorer: tuple[str, ...]
    """names, or your own module:function"""
    prompts: Path | None = None
    """.jsonl or .csv with image and prompt (more is metadata), or .txt, a line per picture by name"""
    prompt: str | None = None
    """one prompt for all pictures"""
    set: tuple[str, ...] = ()
    """settings, SCORER.KEY=VALUE: clipscore.weights=FOLDER, clipscore.place.device=cuda"""
    resume: bool = False
    """go on in --out"""
    json: bool = False
    """print one JSON object on standard output and nothing else"""


def run(arguments: Sequence[str]) -> int:
    """Runs the command; returns the exit code."""
    flags = parse_flags(Flags, "score", arguments)

    from tessera import __version__
    from tessera.benchmarks.layout import SCORES
    from tessera.benchmarks.scored import SCORES_CSV, score_pictures
    from tessera.data.listing import read_listing
    from tessera.report.scored import scored_page
    from tessera.storage import open_in_place, write_atomic

    listed = read_listing(flags.images, flags.prompts, flags.prompt)
    scorers = scorers_of(flags)
    digests = {scorer.name: scorer.digest() for scorer in scorers}
    command = command_line("score", arguments)
    asked = {"images": [each.image for each in listed], "prompts": [each.prompt.text for each in listed]}
    header = {"tessera": __version__, "scorers": digests, **asked}
    open_in_place(flags.out, header, resume=flags.resume, notes={"command": command})
    with progress_bar(flags.json) as bar:
        rows = score_pictures(flags.images, listed, scorers, flags.out, on_progress=bar)
    about = [("command", command), *((f"digest of {name}", digest) for name, digest in digests.items())]
    write_atomic(flags.out / PAGE, scored_page(flags.images, rows, about).encode())
    missing = {name: sum(row["values"][name] is None for row in rows) for name in digests}
    result = {
        "out": str(flags.out),
        "pictures": len(rows),
        "scorers": {name: {"digest": digests[name], "missing": missing[name]} for name in digests},
    }
    told = ", ".join(
        f"{name} ({missing[name]} without a score)" if missing[name] else name for name in digests
    )
    lines = [
        f"{len(rows)} pictures scored by {told}: {flags.out / SCORES}, {flags.out / SCORES_CSV}",
        f"Open {link((flags.out / PAGE).absolute())} in a browser.",
    ]
    return finish(result, as_json=flags.json, lines=lines)


def scorers_of(flags: Flags) -> "list[Scorer]":
    """Returns the scorers of the flags, each with its own settings."""
    from tessera.rewards.load import load_scorer
    from tessera.rewards.named import scorer_settings

    words: dict[str, list[str]] = {name: [] for name in flags.scorer}
    if len(words) < len(flags.scorer):
        raise UserError("--scorer names each scorer once")
    for word in flags.set:
        name = next((name for name in words if word.startswith(f"{name}.")), None)
        if name is None:
            raise UserError(
                f"--set {word}: settings begin with the name of a scorer of this command, as in "
                f"{flags.scorer[0]}.weights=FOLDER"
            )
        words[name].append(word.removeprefix(f"{name}."))
    return [load_scorer(scorer_settings(name, mine)) for name, mine in words.items()]
