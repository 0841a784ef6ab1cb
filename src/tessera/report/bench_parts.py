"""What the page of measurements shows of one result of `tessera bench`, by bench."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tessera.report.bench_charts import (
    MIB,
    Bar,
    Curves,
    Parts,
    bars,
    growth_curves,
    parts,
    share,
    spread_text,
)
from tessera.report.numbers import NARROW_SPACE, duration, plural
from tessera.report.panels import plain

OURS = ("ours", "slopes at once", "kept, head trains", "made again, head trains")
HEAD_TRAINS = "head trains"


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """Bars that are compared with one another."""

    title: str
    note: str
    bars: tuple[Bar, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """One result, ready for the template."""

    name: str
    about: str
    groups: tuple[Group, ...] = ()
    split: Parts | None = None
    curves: tuple[Curves, ...] = ()
    kinds: Mapping[str, Mapping[str, Any]] | None = None  # of the stages of a study


def counted(result: Mapping[str, Any]) -> str:
    """Returns how the seconds of a result were counted."""
    threads = "one thread" if result["threads"] == 1 else f"{result['threads']} threads"
    kind = "processor" if result["clock"] == "cpu" else "wall"
    runs = "one run" if result["repeats"] == 1 else f"medians of {result['repeats']}"
    return f"{result['device']}, {threads}, {kind} seconds, {runs}"


def rollout(result: Mapping[str, Any]) -> Part:
    """Returns pictures per second beside the baselines, and shares of the ceilings."""
    groups: list[Group] = []
    for row in result["batches"]:
        speeds = row["images_per_second"]
        ratios = {
            "growing cache": row["ratio_vs_growing_cache"],
            "generate": row["ratio_vs_generate"],
            "ours, step by step": row.get("ratio_of_replay"),  # where steps are recorded: on a GPU
            **row["ratios_with_our_products"],
        }
        rows = [
            (name, each["median"], f"{plain(each['median'])} images/s", _times(ratios.get(name)))
            for name, each in speeds.items()
        ]
        ceilings = (
            share("of the bandwidth", row["share_of_bandwidth"]),
            share("of a product’s speed", row["share_of_products"]),
        )
        groups.append(
            Group(
                title=f"{row['batch']} at once, of {plural(row['prompts'], 'prompt')}",
                note=f"{plain(row['ms_per_step'])} ms per step",
                bars=(*bars(rows, ours=OURS), *ceilings),
            )
        )
    view = f"guidance {result['view']['guidance']:g}, {result['tokens']} tokens a picture"
    return Part(name=result["policy"], about=f"{view}; {counted(result)}", groups=tuple(groups))


def train(result: Mapping[str, Any]) -> Part:
    """Returns a step in phases, and pictures per second beside the plain loops."""
    pictures = result["prompts"] * result["group"]
    ratios = {
        "plain loop": result["ratio_vs_plain_loop"],
        "plain loop, float32": result["ratio_vs_plain_loop_float32"],
        **result["ratios_with_our_products"],
    }
    rows = [
        (
            name,
            pictures / each["median"],
            f"{plain(pictures / each['median'])} images/s",
            _times(ratios.get(name)),
        )
        for name, each in result["seconds"].items()
    ]
    reached = result["share_of_products"]
    ceilings = (
        share("of a product’s speed, step", reached["step"]),
        share("of a product’s speed, update", reached["update"]),
    )
    seconds, rank = result["seconds"]["ours"]["median"], result["lora"]
    return Part(
        name=f"{result['policy']}, {result['precision']}" + (f", LoRA {rank}" if rank else ""),
        about=f"{plural(result['prompts'], 'prompt')} x {result['group']} pictures, {result['micro_batch']} "
        f"per backward pass, {result['logp_view']}"
        + (", activations made again" if result["recompute"] else "")
        + (f", {peak / 1e9:.1f} GB of the GPU at its peak" if (peak := result["peak_bytes"]) else "")
        + f"; {counted(result)}",
        groups=(
            Group(title="Pictures per second", note="", bars=bars(rows, ours=OURS)),
            Group(title="Share of the ceiling", note="", bars=ceilings),
        ),
        split=parts(result["phases"], title=f"A step of {plain(seconds)}{NARROW_SPACE}s by phase"),
    )


def logprob(result: Mapping[str, Any]) -> Part:
    """Returns memory and speed of each method, apart for a frozen head and for one that trains."""
    groups: list[Group] = []
    for title in ("The head is frozen", "The head trains"):
        mine = {
            name: row
            for name, row in result["methods"].items()
            if name.endswith(HEAD_TRAINS) is (title == "The head trains")
        }
        memory = [
            (
                name,
                float(row["peak_bytes"]),
                f"{plain(row['peak_bytes'] / MIB)} MiB",
                f"{row['memory_vs_plain']:.2f} of plain",
            )
            for name, row in mine.items()
        ]
        speed = [
            (
                name,
                row["speed_vs_plain"]["median"],
                f"{row['speed_vs_plain']['median']:.2f} times",
                spread_text(row["speed_vs_plain"]),
            )
            for name, row in mine.items()
        ]
        if mine:
            groups += [
                Group(title=title, note="peak memory; shorter is better", bars=bars(memory, ours=OURS)),
                Group(title=title, note="speed against plain", bars=bars(speed, ours=OURS)),
            ]
    return Part(
        name=result["policy"] or "Given sizes",
        about=f"{result['rows']} x {result['tokens']} tokens out of {result['codebook']}, "
        f"{result['channels']} channels, chunks of {result['chunk']}; {counted(result)}",
        groups=tuple(groups),
    )


def reward(result: Mapping[str, Any]) -> Part:
    """Returns how fast each scorer judges."""
    found = sorted(result["scorers"].items(), key=lambda row: -row[1]["images_per_second"]["median"])
    rows = [
        (
            name,
            row["images_per_second"]["median"],
            f"{plain(row['images_per_second']['median'])} images/s",
            f"first call {plain(row['first_call_seconds'])}{NARROW_SPACE}s",
        )
        for name, row in found
    ]
    return Part(
        name=f"{result['pictures']} pictures of {result['policy']}",
        about=counted(result),
        groups=(Group(title="Pictures per second", note="", bars=bars(rows)),),
    )


def growth(result: Mapping[str, Any]) -> Part:
    """Returns the curves."""
    sizes = result["sizes"]
    return Part(
        name="A small Janus",
        about=f"width {sizes['width']}, {sizes['layers']} layers; where nothing else is said "
        f"{sizes['grid'] ** 2} tokens out of {sizes['codebook']}; {counted(result)}",
        curves=growth_curves(result["curves"]),
    )


def study(result: Mapping[str, Any]) -> Part:
    """Returns stages, phases and how busy the cores were."""
    phases = {**result["phases"], "no stage to run": result["free_slot_seconds"]}
    return Part(
        name=result["study"],
        about=f"{result['stages']} stages, {result['slots']} at once; {duration(result['wall_seconds'])}, "
        f"{duration(result['cpu_seconds'])} of processor time",
        groups=(
            Group(
                title="Use of the machine",
                note="",
                bars=(share(f"of {result['cores']} cores", result["share_of_machine"]),),
            ),
        ),
        split=parts(phases, title="Where the time of the stages went"),
        kinds=result["kinds"],
    )


def _times(ratio: Mapping[str, float] | None) -> str:
    """Returns e.g. "takes 1.31 times as long (1.11–1.36)"; nothing for ours, or where there is no ratio."""
    if ratio is None:
        return ""
    spread = spread_text(ratio)
    return f"takes {ratio['median']:.2f} times as long{f' ({spread})' if spread else ''}"
