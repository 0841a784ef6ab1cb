"""What is looked at while training runs: scores on validation prompts, and a film strip of fixed pictures."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tessera.benchmarks.runner import graded_batches
from tessera.benchmarks.summary import summarise
from tessera.protocols import Benchmark, Policy
from tessera.rng import derive_seed
from tessera.sampling.sampler import Request, sample
from tessera.storage import append_jsonl, full_disk_told, write_json, write_png
from tessera.training.metrics import CAPTIONS, EVALUATED, HELD_OUT, PICTURES
from tessera.types import EvalRecord, View


@dataclass(frozen=True, kw_only=True, slots=True)
class Watch:
    """Benchmarks of validation prompts, measured under one view with the same seeds every time.

    Equal seeds pair the measurements: what differs between two of them is the policy.
    """

    benchmarks: Sequence[Benchmark]
    prompts_per_category: int
    view: View
    seed: int
    batch_size: int

    def measure(self, policy: Policy, run: Path, step: int) -> dict[str, Any]:
        """Returns {benchmark: {"strict", "soft"}} with intervals; every graded picture goes to the disk."""
        seed, digest = derive_seed("held-out", self.seed), policy.digest()
        records: list[EvalRecord] = []
        for benchmark in self.benchmarks:
            prompts = benchmark.prompts(self.prompts_per_category)
            batches = graded_batches(
                policy,
                benchmark,
                prompts,
                [Request(prompt.text, 0) for prompt in prompts],
                self.view,
                seed=seed,
                batch_size=self.batch_size,
                policy_digest=digest,
            )
            for graded, _ in batches:
                records += graded
        summary = summarise(records, {each.name: each.categories for each in self.benchmarks})
        scores = {
            name: {"strict": result["overall"], "soft": result["soft"]["overall"]}
            for name, result in summary.items()
        }
        with full_disk_told(run):
            append_jsonl(run / EVALUATED, [{"step": step, **record.to_json()} for record in records])
            append_jsonl(run / HELD_OUT, [{"step": step, **scores}])
        return scores

    def film(self, policy: Policy, run: Path, step: int) -> None:
        """Writes the step's pictures of one prompt per category, numbered as in `pictures/prompts.json`."""
        prompts = [prompt for benchmark in self.benchmarks for prompt in benchmark.prompts(1)]
        if not prompts:
            return
        wanted = [Request(prompt.text, 0) for prompt in prompts]
        seed = derive_seed("film", self.seed)
        rollouts = sample(policy, wanted, self.view, seed=seed, batch_size=self.batch_size)
        folder = run / PICTURES
        with full_disk_told(run):
            for number, image_HWC in enumerate(policy.decode(rollouts.tokens)):
                write_png(folder / f"step_{step:06d}" / f"{number}.png", image_HWC)
            write_json(
                folder / CAPTIONS, [{"prompt": each.text, "category": each.category} for each in prompts]
            )


def due(step: int, every: int, last: int) -> bool:
    """Returns whether something that happens every so many steps, and at the start and the end, is due."""
    return step in (0, last) or (every > 0 and step % every == 0)
