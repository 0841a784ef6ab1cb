"""`tessera bench`: how fast and how large on this machine, against plain baselines, in one run."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from tessera.cli.bench_flags import Logprob, Reward, Rollout, Train
from tessera.cli.bench_lines import logprob_lines, reward_lines, rollout_lines, train_lines
from tessera.cli.bench_whole import run_growth, run_study
from tessera.cli.common import parse_flags, positive
from tessera.cli.progress import progress_bar
from tessera.errors import UserError, unknown

if TYPE_CHECKING:
    from tessera.bench.limits import Limits
    from tessera.policies.base import PolicyModule
    from tessera.types import Prompt

HELP = """\
Usage: tessera bench WHAT [--flags]      tessera bench WHAT --help explains every flag

  rollout   pictures per second: our sampler, a loop with a growing cache, transformers' generate
  logprob   time and peak memory of log-probabilities: plain, in chunks, in chunks made again for backward
  train     one step of GRPO by phase, and against the plain loop
  reward    pictures per second of each scorer
  growth    how drawing and updates grow with batch, group, tokens and codebook
  study     what a study takes, by stage and phase, and how busy it keeps the cores

Whatever is compared runs in turns in one process and must first give the same result; figures are medians of
--repeats rounds, with the least and the most. On a CPU with one thread seconds are the processor's own.
--out FOLDER keeps a result beside those of other benches and makes a page of them all.
"""


def run(arguments: Sequence[str]) -> int:
    """Runs the command; returns the exit code."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(HELP, end="")
        return 0
    what, rest = arguments[0], arguments[1:]
    if what not in BENCHES:
        raise UserError(f"{unknown('bench', what, BENCHES)} See tessera bench --help.")
    return BENCHES[what](rest)


def run_rollout(arguments: Sequence[str]) -> int:
    """Measures drawing."""
    flags = parse_flags(Rollout, "bench rollout", arguments)
    for batch in flags.batch:
        positive("batch", batch)
    positive("group", flags.group)
    flags.prepare()

    from dataclasses import replace

    from tessera.bench.rollout import bench_rollout
    from tessera.config import to_plain

    policy = flags.placed()
    view = policy.spec.default_view
    if flags.guidance is not None:
        view = replace(view, guidance=flags.guidance)
    limits = limits_of(policy)
    texts = [prompt.text for prompt in some_prompts(-(-max(flags.batch) // flags.group))]
    with progress_bar(flags.json) as bar:
        batches = [
            bench_rollout(
                policy,
                texts,
                view,
                limits,
                batch=batch,
                group=flags.group,
                repeats=flags.repeats,
                on_progress=bar,
            )
            for batch in flags.batch
        ]
    result = {
        **flags.about("rollout", policy.device, arguments),
        "tokens": policy.spec.tokens,
        "view": asdict(view),
        "limits": to_plain(limits),
        "batches": batches,
    }
    return flags.done(result, rollout_lines(result))


def run_logprob(arguments: Sequence[str]) -> int:
    """Measures log-probabilities."""
    flags = parse_flags(Logprob, "bench logprob", arguments)
    flags.prepare()

    from dataclasses import replace

    from tessera.bench.logprob import LogpSizes, bench_logprob, sizes_of
    from tessera.devices import device_of

    given = {
        name: value
        for name in ("tokens", "codebook", "channels", "chunk")
        if (value := asdict(flags)[name]) is not None
    }
    positive("rows", flags.rows)
    if len(given.keys() - {"chunk"}) == len(("tokens", "codebook", "channels")):
        import torch

        sizes, device, dtype = LogpSizes(rows=flags.rows, **given), device_of(flags.device), torch.float32
        about = flags.about("logprob", device, arguments) | {"policy": None}
    else:
        policy = flags.placed()
        sizes = replace(sizes_of(policy, flags.rows), **given)
        device, dtype = policy.device, next(policy.parameters()).dtype
        about = flags.about("logprob", device, arguments)
    result = {**about, **bench_logprob(sizes, repeats=flags.repeats, device=device, dtype=dtype)}
    return flags.done(result, logprob_lines(result))


def run_train(arguments: Sequence[str]) -> int:
    """Measures steps of GRPO."""
    flags = parse_flags(Train, "bench train", arguments)
    if flags.lora is not None:
        positive("lora", flags.lora)
    for name in ("prompts", "micro_batch"):
        positive(name.replace("_", "-"), asdict(flags)[name])
    flags.prepare()

    from tessera.bench.train import bench_train
    from tessera.config import to_plain
    from tessera.rewards.load import load_reward
    from tessera.rewards.named import scorer_settings

    policy = flags.placed()
    limits = limits_of(policy)
    with progress_bar(flags.json) as bar:
        measured = bench_train(
            policy,
            load_reward(scorer_settings(flags.reward)),
            some_prompts(flags.prompts),
            limits,
            group=flags.group,
            micro_batch=flags.micro_batch,
            logp_view=flags.logp_view,
            precision=flags.precision,
            lora=flags.lora,
            recompute=flags.recompute,
            repeats=flags.repeats,
            on_progress=bar,
        )
    result = {
        **flags.about("train", policy.device, arguments),
        "reward": flags.reward,
        "limits": to_plain(limits),
        **measured,
    }
    return flags.done(result, train_lines(result))


def run_reward(arguments: Sequence[str]) -> int:
    """Measures scorers."""
    flags = parse_flags(Reward, "bench reward", arguments)
    positive("pictures", flags.pictures)
    flags.prepare()

    from tessera.bench.reward import bench_reward, pictures_of, scorers_named

    scorers = scorers_named(flags.scorer, flags.set)
    policy = flags.placed()
    prompts, images_BHWC = pictures_of(policy, some_prompts(flags.pictures), flags.pictures)
    measured = bench_reward(scorers, prompts, images_BHWC, device=policy.device, repeats=flags.repeats)
    result = {**flags.about("reward", policy.device, arguments), **measured}
    return flags.done(result, reward_lines(result))


def some_prompts(count: int) -> "list[Prompt]":
    """Returns prompts of the embedded world, which every policy can read."""
    from tessera.world.prompts import PromptSource, prompt_at

    return [prompt_at(PromptSource("ood"), "val", 0, position) for position in range(count)]


def limits_of(policy: "PolicyModule") -> "Limits":
    """Returns what the policy's device does at best."""
    from tessera.bench.limits import measure_limits

    return measure_limits(policy.device, next(policy.parameters()).dtype)


BENCHES: dict[str, Callable[[Sequence[str]], int]] = {
    "rollout": run_rollout,
    "logprob": run_logprob,
    "train": run_train,
    "reward": run_reward,
    "growth": run_growth,
    "study": run_study,
}
