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
        for name, times in row["ratios_with_our_products"].items():
            lines.append(f"     against {name} {spread_text(times)}")
        if row["ratio_of_replay"] is not None:
            lines.append(f"     against step by step      {spread_text(row['ratio_of_replay'])}")
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
            f"{name:24} {row['seconds']['median']:.3g} s, peak {row['peak_bytes'] / MIB:.0f} MiB: "
            f"{row['memory_vs_plain']:.2f} of the memory of plain, speed {spread_text(row['speed_vs_plain'])}"
        )
    return lines


def train_lines(result: Mapping[str, Any]) -> list[str]:
    """Returns a line per phase, and how the step compares."""
    whole = result["seconds"]["ours"]["median"]
    lines = [*head_lines(result)]
    lines.append(
        f"{result['prompts']} prompts x {result['group']} pictures, {result['micro_batch']} per backward "
        f"pass, {result['logp_view']}, {learning_text(result)} in {result['precision']}: {whole:.3g} s "
        f"a step, {result['images_per_second']:.3g} images/s"
    )
    lines += [
        f"  {name:10} {seconds:8.3f} s {seconds / whole:6.1%}" for name, seconds in result["phases"].items()
    ]
    share = result["share_of_products"]
    lines.append(f"products: {share['step']:.0%} of the peak in a step, {share['update']:.0%} in the update")
    lines.append(f"against the plain loop          {spread_text(result['ratio_vs_plain_loop'])}")
    if (peak := result["peak_bytes"]) is not None:
        lines.append(f"peak of the GPU's memory        {peak / 1e9:.1f} GB")
    if (other := result["ratio_vs_plain_loop_float32"]) is not None:
        lines.append(f"against it in float32           {spread_text(other)}")
    for name, times in result["ratios_with_our_products"].items():
        lines.append(f"against {name:23} {spread_text(times)}")
    return lines


def learning_text(result: Mapping[str, Any]) -> str:
    """Returns what learns in a step."""
    what = "learning" if result["lora"] is None else f"an adapter of rank {result['lora']} learning"
    return what + (", activations made again," if result["recompute"] else "")


def reward_lines(result: Mapping[str, Any]) -> list[str]:
    """Returns a line per scorer."""
    lines = [f"{result['pictures']} pictures of {result['policy']}; {machine_text(result)}"]
    for name, row in result["scorers"].items():
        lines.append(
            f"{name:20} {row['images_per_second']['median']:8.4g} images/s, {WARM} "
            f"{row['first_call_seconds']:.2g} s, {row['missing']} without a score"
        )
    return lines


def growth_lines(result: Mapping[str, Any]) -> list[str]:
    """Returns a line per curve: from where to where, and how steep its upper half is."""
    lines = [f"a Janus of width {result['sizes']['width']}, {machine_text(result)}"]
    for curve in result["curves"]:
        first, last = curve["points"][0], curve["points"][-1]
        lines.append(
            f"{curve['what']:6} over {curve['axis']:8} {first['value']:>4} to {last['value']:<5} "
            f"{first['seconds']:.3g} to {last['seconds']:.3g} s, {slope_text(curve['exponents'])}; "
            f"{first['peak_bytes'] / MIB:.0f} to {last['peak_bytes'] / MIB:.0f} MiB"
        )
        if curve["left_out"]:
            lines.append(f"       left out, above {result['limit_seconds']:g} s: {curve['left_out']}")
    return lines


def slope_text(slopes: Mapping[str, float | None]) -> str:
    """Returns the exponent of the time, and that of the work."""
    known = sorted(each for key in ("flops", "bytes") if (each := slopes.get(key)) is not None)
    if slopes["seconds"] is None:
        return "too few points for an exponent"
    return f"exponent {slopes['seconds']:.2f} (of the work {' to '.join(f'{each:.2f}' for each in known)})"


def study_lines(result: Mapping[str, Any]) -> list[str]:
    """Returns a line per kind of stage and per phase."""
    wall = result["wall_seconds"]
    lines = [
        f"{result['study']}: {result['stages']} stages, {result['slots']} at once, {result['cores']} cores: "
        f"{wall:.0f} s, {result['cpu_seconds']:.0f} CPU seconds; {result['cores_used']:.2f} cores busy, "
        f"{result['share_of_machine']:.0%} of the machine",
        f"{'stages':<14}{'number':>7}{'pictures':>10}{'wall':>9}{'CPU':>9}{'loading':>9}{'peak':>11}",
    ]
    for kind, row in result["kinds"].items():
        lines.append(
            f"{kind:<14}{row['stages']:>7}{row['images']:>10}{row['wall_seconds']:>7.1f} s"
            f"{row['cpu_seconds']:>7.1f} s{row['start_cpu_seconds']:>7.1f} s{row['peak_memory_mb']:>7.0f} MiB"
        )
    slots = wall * result["slots"]
    phases = {**result["phases"], "no stage to run": result["free_slot_seconds"]}
    lines += [f"  {name:20} {seconds:8.1f} s {seconds / slots:6.1%}" for name, seconds in phases.items()]
    if (own := result["own"]) is not None:
        lines.append(
            f"with the page ({own['page_seconds']:.1f} s) and all else {own['seconds']:.0f} s, of which the "
            f"study itself used {own['cpu_seconds']:.1f} CPU seconds"
        )
    return lines


def head_lines(result: Mapping[str, Any]) -> Sequence[str]:
    """Returns what was measured, and where."""
    limits = result["limits"]
    known = limits["published"]
    says = f" (its maker says {known['bytes_per_second'] / GIGA:.0f} GB/s)" if known else ""
    return [
        f"{result['policy']}, {machine_text(result)}",
        f"{result['machine']['gpu'] or result['machine']['processor']}: copies "
        f"{limits['bytes_per_second'] / GIGA:.3g} GB/s{says} and multiplies at "
        f"{limits['flops'] / GIGA:.4g} GFLOP/s (products: {result['machine']['products']})",
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
