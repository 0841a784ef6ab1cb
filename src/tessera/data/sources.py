"""Prompts by name, to train on and to compare with.

    mosaic-id, mosaic-id:color,texture+combos    the embedded world's, without end (world/prompts.py)
    compbench, compbench:color,shape             T2I-CompBench's, 700 of a category
    t2i-r1, t2i-r1:spatial                       T2I-R1's 7 223
    toy, toy:color                               64 short ones, shipped (toy.py)
    FILE.txt, FILE.jsonl, FILE.csv[:category]    anybody's (prompt_files.py)
    t2i-r1 without compbench,geneval             those that are no prompts of these benchmarks (overlap.py)

Of what has splits, `load_source` gives the training split, and `benchmark_prompts` what is measured with;
GenEval has the latter alone.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tessera.data import compbench_files, home, toy
from tessera.data.compbench_files import CompBenchSplit, read_compbench
from tessera.data.geneval_files import read_geneval
from tessera.data.overlap import Overlap, overlaps
from tessera.data.prompt_files import SUFFIXES, read_prompt_file
from tessera.data.streams import MosaicStream, PromptStream, listed_stream
from tessera.data.t2i_r1_files import read_t2i_r1
from tessera.errors import UserError, unknown
from tessera.types import Prompt
from tessera.world.prompts import PromptSource, Split, prompt_set

WITHOUT = " without "
MOSAIC = ("mosaic-id", "mosaic-ood")
TRAINING = (*MOSAIC, "compbench", "t2i-r1", toy.NAME)
BENCHMARKS = (*MOSAIC, "compbench", "geneval")
DATASETS = {"compbench": "t2i-compbench", "geneval": "geneval", "t2i-r1": "t2i-r1"}  # in `catalogue`
HELD_OUT: tuple[Split, ...] = ("val", "test")
MOSAIC_DRAWN = 1_000  # prompts of a category and split, of a benchmark that is drawn; most have fewer

_FILE = re.compile(rf"(.*(?:{'|'.join(map(re.escape, SUFFIXES))}))(?::(.*))?")  # FILE[:category,category]


def load_source(name: str, data: Path | None = None) -> PromptStream:
    """Returns the training prompts of that name; `data` is the data directory, if given."""
    source, _, tests = name.partition(WITHOUT)
    if source.startswith("mosaic-"):
        if tests:
            raise UserError(
                f"{source} has no end, and nothing to leave out: none of its training prompts means what a "
                f"prompt of another split means; write {source!r} alone"
            )
        return MosaicStream(PromptSource.parse(source))
    head, only = split_name(source)
    if head == "compbench":
        listed = _compbench(only, "train", data)
    elif head == "t2i-r1":
        listed = _only(source, read_t2i_r1(home.find("t2i-r1", data)), only)
    elif head == toy.NAME:
        listed = _only(source, toy.toy_prompts(), only)
    elif head.endswith(SUFFIXES):
        listed = _only(source, read_prompt_file(Path(head).expanduser()), only)
    else:
        raise UserError(
            f"{unknown('source of training prompts', head, TRAINING)} Or a file: {', '.join(SUFFIXES)}."
        )
    notes = [home.note(DATASETS[head], data) if head in DATASETS else ""]
    for test in filter(None, tests.split(",")):
        found = overlaps(listed, benchmark_prompts(test, data))
        dropped = {prompt.id for each in found.shared for prompt in each.train}
        notes.append(f"Left out of {source}, as prompts of {test}: {len(dropped)} of {len(listed)}.")
        listed = [prompt for prompt in listed if prompt.id not in dropped]
    if not listed:
        raise UserError(f"{name}: nothing is left to train on")
    return listed_stream(name, listed, notes)


def benchmark_prompts(name: str, data: Path | None = None) -> list[Prompt]:
    """Returns the prompts of a benchmark, or of some of its categories; mosaic's for validation and test."""
    if name.startswith("mosaic-"):
        source, drawn = PromptSource.parse(name), list[Prompt]()
        for split in HELD_OUT:
            drawn += prompt_set(source.family, split, MOSAIC_DRAWN, axes=source.axes, only=source.only)
        return drawn
    head, only = split_name(name)
    if head == "compbench":
        return _compbench(only, "val", data)
    if head == "geneval":
        return _only(name, read_geneval(home.find("geneval", data)), only)
    raise UserError(unknown("benchmark", head, BENCHMARKS))


def overlap_with(
    stream: PromptStream, test: str, data: Path | None = None, *, first: int = 10_000
) -> Overlap:
    """Returns what a stream shares with the prompts of a benchmark; of one without end, its first ones."""
    listed = stream.prompts()
    if listed is None:
        listed = [stream.at(0, position) for position in range(first)]
    return overlaps(listed, benchmark_prompts(test, data))


def overlap_note(stream: PromptStream, tests: Sequence[str], data: Path | None = None) -> str:
    """Returns what to print beside results of these benchmarks after training on the stream; "" if nothing.

    A world without end is not looked at, for its splits are apart by meaning; nor is a benchmark of which
    nothing is known here.
    """
    if stream.prompts() is None:
        return ""
    known = [
        test
        for test in dict.fromkeys(tests)
        if test.startswith("mosaic-") or split_name(test)[0] in BENCHMARKS
    ]
    told = [overlap_with(stream, test, data).sentence(stream.name, test) for test in known]
    return " ".join(sentence for sentence in told if sentence)


def narrowed(name: str, only: Sequence[str]) -> str:
    """Returns the name of the same source with these of its categories alone."""
    source, without, tests = name.partition(WITHOUT)
    if source.startswith("mosaic-"):
        parsed = PromptSource.parse(source)
        return replace(parsed, only=tuple(each for each in parsed.categories if each in only)).name
    return f"{split_name(source)[0]}:{','.join(only)}{without}{tests}"


def split_name(name: str) -> tuple[str, tuple[str, ...]]:
    """Returns what a name stands for, and the categories that it is narrowed to; none are named: all."""
    file = _FILE.fullmatch(name)
    head, listed = (file[1], file[2]) if file else (name.partition(":")[0], name.partition(":")[2])
    return head, tuple(each for each in (listed or "").split(",") if each)


def _compbench(only: Sequence[str], split: CompBenchSplit, data: Path | None) -> list[Prompt]:
    """Returns T2I-CompBench's prompts of these categories, or of all, category by category."""
    categories = compbench_files.CATEGORIES
    for category in only:
        if category not in categories:
            raise UserError(f"compbench: {unknown('category', category, categories)}")
    folder = home.find("t2i-compbench", data)
    wanted = [category for category in categories if not only or category in only]
    return [prompt for category in wanted for prompt in read_compbench(folder, category, split)]


def _only(name: str, prompts: list[Prompt], only: Sequence[str]) -> list[Prompt]:
    """Returns the prompts of these categories, or all."""
    known = dict.fromkeys(prompt.category for prompt in prompts)
    for category in only:
        if category not in known:
            raise UserError(f"{name}: {unknown('category', category, known)}")
    return [prompt for prompt in prompts if not only or prompt.category in only]
