"""`tessera regrade geneval`: verdicts on saved detections again, without a model."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tessera.cli.common import command_line, finish, parse_flags
from tessera.errors import UserError


@dataclass(frozen=True, kw_only=True)
class Flags:
    """Apply GenEval's rules to detections that were saved, at these thresholds or higher ones.

    Each row: {"metadata": a line of evaluation_metadata.jsonl, "detected": {class: [{"box": [left, top,
    right, bottom, score], "color": name}, ...]}}. Writes results.jsonl (correct, reason; in order) and
    summary.json.
    Example: tessera regrade geneval --detections detections.jsonl --out runs/geneval
    """

    detections: Path
    """JSON lines, or one JSON list"""
    out: Path
    """folder of the results"""
    threshold: float | None = None
    """count objects above this score alone; GenEval's is 0.3. Unset: the row's own, or none"""
    counting_threshold: float | None = None
    """the same for prompts that count; GenEval's is 0.9"""
    resume: bool = False
    """write over the results in --out"""
    json: bool = False
    """print one JSON object on standard output and nothing else"""


def run(arguments: Sequence[str]) -> int:
    """Runs the command; returns the exit code."""
    flags = parse_flags(Flags, "regrade geneval", arguments)

    from tessera import __version__
    from tessera.benchmarks.geneval.regrade import RESULTS, regrade
    from tessera.hub import files_digest
    from tessera.storage import open_in_place

    for name, value in (("threshold", flags.threshold), ("counting-threshold", flags.counting_threshold)):
        if value is not None and not 0 <= value < 1:
            raise UserError(f"--{name} is a score in [0, 1), got {value}")
    if not flags.detections.is_file():
        raise UserError(f"--detections {flags.detections} is no file")
    header = {
        "tessera": __version__,
        "detections": files_digest([flags.detections]),
        "threshold": flags.threshold,
        "counting_threshold": flags.counting_threshold,
    }
    open_in_place(
        flags.out, header, resume=flags.resume, notes={"command": command_line("regrade geneval", arguments)}
    )
    summary = regrade(flags.detections, flags.out, flags.threshold, flags.counting_threshold)
    lines = [
        f"{tag:<16}{100 * each['mean']:6.1f} %  {each['images']:>5} pictures"
        for tag, each in summary["tags"].items()
    ]
    lines += [
        f"{'overall':<16}{100 * summary['overall']:6.1f} %  mean of the tags, as GenEval counts",
        f"{100 * summary['correct_images']:.1f} % of {summary['images']} pictures, "
        f"{100 * summary['correct_prompts']:.1f} % of {summary['prompts']} prompts by any picture",
        f"Every verdict with its reason: {flags.out / RESULTS}",
    ]
    return finish({"out": str(flags.out), **summary}, as_json=flags.json, lines=lines)
