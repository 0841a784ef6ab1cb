"""What `tessera bench` prints for a person, from its results."""

from collections.abc import Mapping, Sequence
from typing import Any

GIGA = 1e9
MIB = 2**20
WARM = "first call"


def rollout_lines(result: Mapping[str, Any]) -> list[str]:
    """Returns a line per batch size, and what the machine can do."""
    lines = [*head_lines(result)]
    for row in result["batches"]:
        ours = row["images_per_second"]["ours"]["median"]
        lines.append(
            f"{row['batch']:4} pictures of {row['prompts']} prompts: {ours:.3g} images/s, "
            f"{row['tokens_per_second']['median']:.4g} tokens/s, {row['ms_per_step']:.3g} ms per step; "
            f"{row['share_of_bandwidth']:.0%} of the bandwidth, {row['share_of_products']:.0%} of products"
        )
        lines.append(f"     against the growing cache {spread_text(row['ratio_vs_growing_cache'])}")
        if row["ratio_vs_generate"] is not None:
            lines.append(f"     against generate          {spread_text(row['ratio_vs_generate'])}")
        ties = {name: count for name, count in row["near_ties"].items() if count}
        lines += [f"     {count} rows parted from {name} at a near tie" for name, count in ties.items()]
    return lines


def logprob_lines(result: Mapping[str, Any]) -> list[str]:
    """Returns a line per method."""
    lines = [
        f"{result['rows']} x {result['tokens']} tokens out of {result['codebook']}, "
        f"{result['channels']} channels; {machine_text(result)}"
    ]
    for name, row in result["methods"].items():
        lines.append(
            f"{name:20} {row['seconds']['median']:.3g} s, peak {row['peak_bytes'] / MIB:.0f} MiB: "
            f"{row['memory_vs_plain']:.2f} of the memory of plain, speed {spread_text(row['speed_vs_plain'])}"
        )
    return lines


def train_lines(result: Mapping[str, Any]) -> list[str]:
    """Returns a line per phase, and how the step compares."""
    whole = result["seconds"]["ours"]["median"]
    lines = [*head_lines(result)]
    lines.append(
        f"{result['prompts']} prompts x {result['group']} pictures, {result['micro_batch']} per backward "
        f"pass, {result['logp_view']}: {whole:.3g} s a step, {result['images_per_second']:.3g} images/s"
    )
    lines += [
        f"  {name:10} {seconds:8.3f} s {seconds / whole:6.1%}" for name, seconds in result["phases"].items()
    ]
    share = result["share_of_products"]
    lines.append(f"products: {share['step']:.0%} of the peak in a step, {share['update']:.0%} in the update")
    lines.append(f"against the plain loop {spread_text(result['ratio_vs_plain_loop'])}")
    return lines


def reward_lines(result: Mapping[str, Any]) -> list[str]:
    """Returns a line per scorer."""
    lines = [f"{result['pictures']} pictures of {result['policy']}; {machine_text(result)}"]
    for name, row in result["scorers"].items():
        lines.append(
            f"{name:20} {row['images_per_second']['median']:8.4g} images/s, {WARM} "
            f"{row['first_call_seconds']:.2g} s, {row['missing']} without a score"
        )
    return lines


def head_lines(result: Mapping[str, Any]) -> Sequence[str]:
    """Returns what was measured, and where."""
    limits = result["limits"]
    known = limits["published"]
    says = f" (its maker says {known['bytes_per_second'] / GIGA:.0f} GB/s)" if known else ""
    return [
        f"{result['policy']}, {machine_text(result)}",
        f"this machine copies {limits['bytes_per_second'] / GIGA:.3g} GB/s{says} and multiplies at "
        f"{limits['flops'] / GIGA:.4g} GFLOP/s",
    ]


def machine_text(result: Mapping[str, Any]) -> str:
    """Returns the device and how its seconds were counted."""
    return (
        f"{result['device']}, {result['threads']} threads, {result['clock']} seconds, "
        f"median of {result['repeats']} (least to most)"
    )


def spread_text(each: Mapping[str, float]) -> str:
    """Returns a ratio with its spread."""
    return f"{each['median']:.2f} times ({each['low']:.2f} to {each['high']:.2f})"
