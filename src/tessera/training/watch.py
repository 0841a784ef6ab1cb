"""What is looked at while training runs: scores on validation prompts, and a film strip of fixed pictures."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from tessera.benchmarks.divergence import divergences
from tessera.benchmarks.runner import graded_batches
from tessera.benchmarks.summary import summarise
from tessera.protocols import Benchmark, Policy, Reward, Scorer
from tessera.rng import derive_seed
from tessera.sampling.sampler import Request, requests, sample
from tessera.statistics.alarms import ALARM_LEVEL
from tessera.statistics.intervals import mean_estimate
from tessera.storage import append_jsonl, full_disk_told, read_jsonl
from tessera.training.film import Shot, write_film
from tessera.training.metrics import EVALUATED, HELD_OUT
from tessera.types import EvalRecord, Grade, Prompt, View

# The film strip shows so many samples of the first validation prompts of each category, whatever the base
# makes of them. Chosen by what the base got wrong, any run would look good: drawn again, some are right by
# luck. And few pictures are mostly luck: over a run of mosaic-grpo eight more of 48 are right on average,
# with a standard error of 4.2; of 96 it is about 16, with 6.5.
FILM_PROMPTS = 2
FILM_SAMPLES = 4
FILM_TRAINING = 12  # training prompts, where no benchmark is watched

SCORES = ("strict", "soft")
KL = "kl"  # nats per token, as benchmarks/divergence.py measures it


@dataclass(frozen=True, kw_only=True, slots=True)
class Watch:
    """Benchmarks of validation prompts, measured under one view with the same seeds every time.

    Equal seeds pair the measurements: what differs between two of them is the policy.
    """

    benchmarks: Sequence[Benchmark]
    scorers: Sequence[Scorer]  # held out: they judge the same pictures, and training never hears of it
    base: Policy | None  # given: the KL to it is measured on the same pictures
    prompts_per_category: int
    view: View
    seed: int
    batch_size: int
    training: Sequence[Prompt]  # what the film strip shows where there is no benchmark, with the reward's say
    reward: Reward

    def measure(self, policy: Policy, run: Path, step: int) -> dict[str, Any]:
        """Returns {benchmark: {"strict", "soft", "kl", each held-out scorer}} with intervals; writes it down.

        After the start each score has a `change` since then, picture by picture of the same prompts and
        seeds: surer than the difference of two means. Its interval is that of a one-sided test.
        """
        seed, digest = derive_seed("held-out", self.seed), policy.digest()
        records: list[EvalRecord] = []
        judged: dict[tuple[str, str], dict[str, list[float]]] = {}  # (benchmark, what): category: values
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
            by_id = {prompt.id: prompt for prompt in prompts}
            for graded, images_BHWC in batches:
                records += graded
                asked = [by_id[record.prompt_id] for record in graded]
                found = {each.name: each.score(asked, images_BHWC).value_B.tolist() for each in self.scorers}
                if self.base is not None:
                    found[KL] = divergences(policy, self.base, graded, self.view).tolist()
                for what, values in found.items():
                    categories = judged.setdefault((benchmark.name, what), {})
                    for record, value in zip(graded, values, strict=True):
                        categories.setdefault(record.category, []).append(value)
        summary = summarise(records, {each.name: each.categories for each in self.benchmarks})
        scores = {
            name: {"strict": result["overall"], "soft": result["soft"]["overall"]}
            for name, result in summary.items()
        }
        for (name, what), categories in judged.items():
            values = [np.array(value_P) for value_P in categories.values()]
            scores[name][what] = mean_estimate(values).to_json()
        first = takewhile(lambda row: row["step"] == 0, read_jsonl(run / EVALUATED))  # lines lie in order
        start = [
            EvalRecord.from_json({key: value for key, value in row.items() if key != "step"}) for row in first
        ]
        for benchmark in self.benchmarks if step > 0 and start else ():
            for score in SCORES:
                changes = _changes(benchmark, score, start, records)
                change = mean_estimate(changes, level=1 - 2 * ALARM_LEVEL)
                scores[benchmark.name][score]["change"] = change.to_json()
        with full_disk_told(run):
            append_jsonl(run / EVALUATED, [{"step": step, **record.to_json()} for record in records])
            append_jsonl(run / HELD_OUT, [{"step": step, **scores}])
        return scores

    def film(self, policy: Policy, run: Path, step: int) -> None:
        """Draws, grades and writes the step's pictures of the film strip."""
        write_film(run, step, self.shoot(policy))

    def shoot(self, policy: Policy) -> list[Shot]:
        """Returns the pictures of the film strip, the samples of a prompt side by side."""
        prompts = [(each, prompt) for each in self.benchmarks for prompt in each.prompts(FILM_PROMPTS)]
        if not prompts:
            return self._shoot_training(policy)
        wanted = requests([prompt.text for _, prompt in prompts], FILM_SAMPLES)
        seed = derive_seed("film", self.seed)
        rollouts = sample(policy, wanted, self.view, seed=seed, batch_size=self.batch_size)
        images_BHWC = policy.decode(rollouts.tokens)
        shots: list[Shot] = []
        for place, (benchmark, prompt) in enumerate(prompts):
            images_GHWC = images_BHWC[place * FILM_SAMPLES : (place + 1) * FILM_SAMPLES]
            grades = benchmark.grade([prompt] * FILM_SAMPLES, images_GHWC)
            shots += [
                Shot(
                    number=len(shots) + n,
                    benchmark=benchmark.name,
                    prompt=prompt,
                    sample=n,
                    image_HWC=image_HWC,
                    grade=grade,
                )
                for n, (image_HWC, grade) in enumerate(zip(images_GHWC, grades, strict=True))
            ]
        return shots

    def _shoot_training(self, policy: Policy) -> list[Shot]:
        """Returns pictures of training prompts, with what the reward says of them as `soft`."""
        texts = {prompt.text: prompt for prompt in self.training}  # each once: the samples are numbered
        wanted = requests(list(texts), FILM_SAMPLES)
        seed = derive_seed("film", self.seed)
        rollouts = sample(policy, wanted, self.view, seed=seed, batch_size=self.batch_size)
        images_BHWC = policy.decode(rollouts.tokens)
        asked = [texts[text] for text in rollouts.prompts]
        said = self.reward.score(asked, images_BHWC, FILM_SAMPLES)
        return [
            Shot(
                number=row,
                benchmark="training",
                prompt=prompt,
                sample=rollouts.samples[row],
                image_HWC=images_BHWC[row],
                grade=Grade(strict=np.nan, soft=float(said.value_B[row]), reason=said.reasons[row]),
            )
            for row, prompt in enumerate(asked)
        ]


def _changes(
    benchmark: Benchmark, score: str, before: Sequence[EvalRecord], after: Sequence[EvalRecord]
) -> list[Float64[ndarray, " P"]]:
    """Returns the change of each prompt, by category; NaN where one of the two pictures has no verdict."""
    earlier = {(r.benchmark, r.prompt_id): getattr(r.grade, score) for r in before}
    changes: dict[str, list[float]] = {category: [] for category in benchmark.categories}
    for record in after:
        if record.benchmark == benchmark.name:
            then = earlier.get((record.benchmark, record.prompt_id), np.nan)
            changes[record.category].append(getattr(record.grade, score) - then)
    return [np.array(values) for values in changes.values()]


def due(step: int, every: int, last: int) -> bool:
    """Returns whether something that happens every so many steps, and at the start and the end, is due."""
    return step in (0, last) or (every > 0 and step % every == 0)
