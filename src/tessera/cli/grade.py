"""`tessera grade`: a benchmark's verdicts on pictures that somebody made, in the official layout."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tessera.cli.common import command_line, finish, link, parse_flags, positive
from tessera.cli.progress import progress_bar
from tessera.errors import UserError


@dataclass(frozen=True, kw_only=True)
class Flags:
    """Grade pictures of any generator: eval.jsonl, summary.json, a page, and what the official tool writes.

    They lie as the official tool expects them (docs/benchmarks.md): 00000/samples/00000.png for GenEval,
    color/samples/PROMPT_000000.png for T2I-CompBench. Compare with `tessera compare`.
    Example: tessera grade --benchmark geneval --images outputs --out runs/sdxl-geneval
    """

    benchmark: str
    """geneval, compbench, compbench:color,shape, dpg, wise, a file of prompts, or your own module:name"""
    images: Path
    """folder of the pictures"""
    out: Path
    """folder for the results"""
    num: int | None = None
    """at most so many pictures of each prompt; unset: as published, if they are there"""
    prompts_per_category: int | None = None
    """the first so many prompts of each category; unset: as published"""
    set: tuple[str, ...] = ()
    """settings of the benchmark, BENCHMARK.KEY=VALUE: geneval.detector.weights=FOLDER"""
    data_dir: Path | None = None
    """where prompts of the field lie (tessera data list); unset: TESSERA_DATA"""
    processes: int = 1
    """that grade, each with its own copy of the models"""
    resume: bool = False
    """go on in --out"""
    json: bool = False
    """print one JSON object on standard output and nothing else"""


def run(arguments: Sequence[str]) -> int:
    """Runs the command; returns the exit code."""
    flags = parse_flags(Flags, "grade", arguments)

    from tessera import __version__
    from tessera.benchmarks.layout import PAGE, RECORDS, SUMMARY
    from tessera.benchmarks.load import Opener, load_benchmark, settings_of
    from tessera.benchmarks.observed import Workers, grade_folder, write_official
    from tessera.benchmarks.summary import summarise
    from tessera.protocols import Observed
    from tessera.report.evaluation import evaluation_page
    from tessera.report.text import summary_lines
    from tessera.storage import open_in_place, write_atomic, write_json, write_lines

    for name, value in (("num", flags.num), ("prompts-per-category", flags.prompts_per_category)):
        if value is not None:
            positive(name, value)
    words = settings_of(flags.set, [flags.benchmark])
    benchmark = load_benchmark(flags.benchmark, words[flags.benchmark], flags.data_dir)
    if not isinstance(benchmark, Observed):
        raise UserError(f"{flags.benchmark} has no layout of its own; use tessera eval, or tessera score")
    name = benchmark.name
    settings = {
        "tessera": __version__,
        "policy": str(flags.images),
        "benchmarks": [name],
        "graders": {name: benchmark.digest()},
        "prompts_per_category": flags.prompts_per_category,
        "samples_per_prompt": flags.num,
    }
    command = command_line("grade", arguments)
    open_in_place(flags.out, settings, resume=flags.resume, notes={"command": command})
    opener = Opener(called={name: flags.benchmark}, words=words, data=flags.data_dir)
    with progress_bar(flags.json) as bar:
        records, graded = grade_folder(
            flags.images,
            benchmark,
            benchmark.prompts(flags.prompts_per_category),
            flags.num,
            flags.out,
            workers=Workers(processes=positive("processes", flags.processes), benchmark=opener),
            on_progress=bar,
        )
    summary = summarise(records, {name: benchmark.categories})
    summary[name]["official"] = write_official(flags.out / name, benchmark, graded)
    write_lines(flags.out / RECORDS, (record.to_json() for record in records))
    write_json(flags.out / SUMMARY, summary)
    write_atomic(flags.out / PAGE, evaluation_page(flags.out).encode())
    lines = [*summary_lines(summary, records), f"Open {link((flags.out / PAGE).absolute())} in a browser."]
    return finish({"out": str(flags.out), "summary": summary}, as_json=flags.json, lines=lines)
