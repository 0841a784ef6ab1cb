"""Benchmarks by name: what `--benchmark` accepts everywhere.

    mosaic-id, mosaic-ood+counts     the embedded world's (world/prompts.py)
    geneval                          GenEval; its prompts are in the data directory (data/home.py)
    compbench, compbench:color,shape T2I-CompBench, or some of its categories
    dpg, wise                        DPG-Bench and WISE, whose data and judge the user brings
    FILE.jsonl, FILE.csv, FILE.txt   anybody's prompts, graded by a scorer (scored_prompts.py)
    module:name                      anybody's code: what `name()` returns is the benchmark

A configuration is imported when its benchmark is asked for.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import torch

from tessera.benchmarks.mosaic import MosaicBenchmark
from tessera.config import from_plain, merged
from tessera.data import home
from tessera.data.prompt_files import SUFFIXES
from tessera.devices import share_gpus
from tessera.errors import UserError, unknown
from tessera.plugins import check_name, load_named
from tessera.protocols import Benchmark
from tessera.world.prompts import PromptSource

NAMES = ("mosaic-id", "mosaic-ood", "geneval", "compbench", "dpg", "wise")
T = TypeVar("T")


def load_benchmark(name: str, words: Sequence[str] = (), data: Path | None = None) -> Benchmark:
    """Returns the benchmark of that name, its instruments not yet read.

    `words` are settings of its own, as in detector.weights=FOLDER; `data` is the data directory, if given.
    """
    head = name.partition(":")[0]
    if head.startswith("mosaic-"):
        if words:
            raise UserError(f"--set {words[0]}: {name} has no settings")
        return MosaicBenchmark(PromptSource.parse(name))
    if head == "geneval":
        return _geneval(name, words, data)
    if head == "compbench":
        return _compbench(name, words, data)
    if head in ("dpg", "wise"):
        return _asked(name, words, data)
    if name.endswith(SUFFIXES):
        return _scored_prompts(Path(name).expanduser(), words)
    if ":" in name:
        return _named(name, words)
    raise UserError(
        f"{unknown('benchmark', name, NAMES)} Or a file of prompts ({', '.join(SUFFIXES)}), or your own "
        "module:name."
    )


def load_watched(name: str) -> Benchmark:
    """Returns the benchmark to look at while training goes on: of mosaic, validation prompts.

    Of the field's none has such a split. Who watches one that is measured afterwards must not choose by it.
    """
    if name.startswith("mosaic-"):
        return MosaicBenchmark(PromptSource.parse(name), "val")
    return load_benchmark(name)


@dataclass(frozen=True, kw_only=True, slots=True)
class Opener:
    """Opens benchmarks by their names in another process, each with its settings."""

    called: Mapping[str, str]  # by its own name, what it is asked for by
    words: Mapping[str, Sequence[str]]  # by the latter
    data: Path | None
    threads: int | None = None  # of a CPU, for each process

    def __call__(self, name: str, process: int) -> Any:
        """Returns the benchmark for a process, by its number."""
        share_gpus(process)
        if self.threads is not None:
            torch.set_num_threads(self.threads)
        asked = self.called[name]
        return load_benchmark(asked, self.words.get(asked, ()), self.data)


def key_of(name: str) -> str:
    """Returns what settings of a benchmark begin with: geneval, compbench, the stem of a file."""
    return Path(name).stem if name.endswith(SUFFIXES) else name.partition(":")[0]


def settings_of(words: Sequence[str], benchmarks: Sequence[str]) -> dict[str, list[str]]:
    """Returns the settings of each benchmark, without the name that they begin with.

    `words` are BENCHMARK.KEY=VALUE, as after --set of `tessera eval`.
    """
    found: dict[str, list[str]] = {name: [] for name in benchmarks}
    for word in words:
        named = [name for name in found if word.startswith(f"{key_of(name)}.")]
        if not named:
            raise UserError(
                f"--set {word}: settings begin with a benchmark of this command, as in "
                f"{key_of(benchmarks[0])}.KEY=VALUE"
            )
        for name in named:
            found[name].append(word.removeprefix(f"{key_of(name)}."))
    return found


def _geneval(name: str, words: Sequence[str], data: Path | None) -> Benchmark:
    from tessera.benchmarks.geneval.load import load_geneval  # noqa: PLC0415 - see the head
    from tessera.benchmarks.geneval.settings import GenEvalSettings  # noqa: PLC0415 - likewise

    if name != "geneval":
        raise UserError(f"{name}: geneval is measured whole; write geneval")
    return load_geneval(_settings(GenEvalSettings, words, name), home.find("geneval", data))


def _compbench(name: str, words: Sequence[str], data: Path | None) -> Benchmark:
    from tessera.benchmarks.compbench.load import load_compbench_benchmark  # noqa: PLC0415 - likewise
    from tessera.scorers.compbench.settings import CATEGORIES, CompBench  # noqa: PLC0415 - likewise

    only = tuple(filter(None, name.partition(":")[2].split(",")))
    for category in only:
        if category not in CATEGORIES:
            raise UserError(f"{name}: {unknown('category', category, CATEGORIES)}")
    settings = _settings(CompBench, words, "compbench")
    if only:
        settings = replace(settings, categories=tuple(each for each in CATEGORIES if each in only))
    return load_compbench_benchmark(settings, home.find("t2i-compbench", data))


def _asked(name: str, words: Sequence[str], data: Path | None) -> Benchmark:
    from tessera.benchmarks.dpg.load import load_dpg  # noqa: PLC0415 - likewise
    from tessera.benchmarks.dpg.settings import DpgSettings  # noqa: PLC0415 - likewise
    from tessera.benchmarks.wise.load import load_wise  # noqa: PLC0415 - likewise
    from tessera.benchmarks.wise.settings import WiseSettings  # noqa: PLC0415 - likewise

    if name == "dpg":
        return load_dpg(_settings(DpgSettings, words, name), home.data_dir(data))
    if name == "wise":
        return load_wise(_settings(WiseSettings, words, name), home.data_dir(data))
    raise UserError(f"{name}: {name.partition(':')[0]} is measured whole; write it without the colon")


def _scored_prompts(file: Path, words: Sequence[str]) -> Benchmark:
    from tessera.benchmarks.scored_prompts import (  # noqa: PLC0415 - likewise
        ScoredPromptsSettings,
        read_scored_prompts,
    )
    from tessera.rewards.load import load_scorer  # noqa: PLC0415 - likewise

    settings = _settings(ScoredPromptsSettings, words, file.name)
    return read_scored_prompts(file, settings, load_scorer(settings.scorer))


def _named(name: str, words: Sequence[str]) -> Benchmark:
    if words:
        raise UserError(f"--set {words[0]}: what {name} is made with, it says itself")
    check_name(name, "a benchmark of your own")
    benchmark = load_named(name, "the benchmark")()
    if not isinstance(benchmark, Benchmark):
        raise UserError(
            f"{name}() returned {type(benchmark).__name__}, which is no benchmark: it needs name, "
            "categories, samples, prompts and grade (docs/benchmarks.md)"
        )
    return benchmark


def _settings(cls: type[T], words: Sequence[str], where: str) -> T:
    return from_plain(cls, merged({}, words, "detector.weights=FOLDER"), where=where)
