"""Samples on disk: a picture and a line of `samples.jsonl` for each, resumable, in bounded memory."""

import hashlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image

from tessera.config import config, to_plain
from tessera.protocols import Policy
from tessera.sampling.layout import SAMPLES, SCORES
from tessera.sampling.sampler import Request, sample_batches
from tessera.statistics.selection import choose
from tessera.storage import append_jsonl, drop_torn_line, read_jsonl, write_lines, write_png
from tessera.types import Grade, Progress, View, silent

Grader = Callable[[Sequence[str], UInt8[ndarray, "B H W 3"]], list[Grade]]
Chooser = Callable[[Sequence[str], UInt8[ndarray, "B H W 3"]], Sequence[tuple[float, str]]]

CHUNK = 64  # candidates scored at once


@config
class SampleConfig:
    """What is drawn for each prompt."""

    view: View
    samples_per_prompt: int
    seed: int = 0

    def settings(
        self, prompts: Sequence[str], policy: str, policy_digest: str, version: str
    ) -> dict[str, Any]:
        """Returns what must agree for a resume; of the prompts, their number and a hash."""
        joined = hashlib.blake2b("\n".join(prompts).encode(), digest_size=8).hexdigest()
        return {
            "tessera": version,
            "policy": policy,
            "policy_digest": policy_digest,
            "prompts": len(prompts),
            "prompts_digest": joined,
            **to_plain(self),
        }


def sample_into(
    folder: Path,
    policy: Policy,
    prompts: Sequence[str],
    settings: SampleConfig,
    grade: Grader,
    *,
    batch_size: int,
    candidates: int = 1,
    on_progress: Progress = silent,
) -> dict[str, float]:
    """Draws the samples that the folder lacks; returns how long it took.

    With several candidates, candidate j of picture s is sample j * samples_per_prompt + s.

    A row: prompt, sample, seed, image (relative path), tokens, logp (of each token, as drawn), strict, soft
    and the facts with their verdicts; strict is null where the prompt's words make no description, and
    `reason` says why.
    """
    drop_torn_line(folder / SAMPLES)
    finished = {(row["prompt"], row["sample"]) for row in read_jsonl(folder / SAMPLES)}
    place = {prompt: index for index, prompt in enumerate(prompts)}
    per_prompt = settings.samples_per_prompt * candidates
    wanted = [
        Request(prompt, sample)
        for prompt in place
        for sample in range(per_prompt)
        if (prompt, sample) not in finished
    ]
    total, start = len(place) * per_prompt, time.perf_counter()
    done = total - len(wanted)
    on_progress("sampling", done, total)
    for rollouts in sample_batches(policy, wanted, settings.view, seed=settings.seed, batch_size=batch_size):
        images_BHWC = policy.decode(rollouts.tokens)
        rows = []
        for index, verdict in enumerate(grade(rollouts.prompts, images_BHWC)):
            prompt, sample = rollouts.prompts[index], rollouts.samples[index]
            image = f"images/{place[prompt]:05d}-{sample:03d}.png"
            write_png(folder / image, images_BHWC[index])
            rows.append(
                {
                    "prompt": prompt,
                    "sample": sample,
                    "seed": rollouts.seeds[index],
                    "image": image,
                    "tokens": rollouts.tokens[index].tolist(),
                    "logp": [round(value, 6) for value in rollouts.logp[index].tolist()],
                    "strict": verdict.strict,
                    "soft": verdict.soft,
                    "reason": verdict.reason,
                    "facts": [{"kind": f.kind, "text": f.text, "holds": f.holds} for f in verdict.facts],
                }
            )
        append_jsonl(folder / SAMPLES, rows)
        done += len(rows)
        on_progress("sampling", done, total)
    seconds = time.perf_counter() - start
    return {"seconds": round(seconds, 2), "images_per_second": round(len(wanted) / seconds, 1)}


def choose_samples(
    folder: Path,
    settings: SampleConfig,
    candidates: int,
    scorer: str,
    score: Chooser,
    *,
    on_progress: Progress = silent,
) -> tuple[int, int]:
    """Writes `scores.jsonl`: every candidate with its score; returns how many choices were ties and blind.

    A row: prompt, picture (which of the prompt's), sample, scorer, value (null with its `reason` where there
    is none), chosen. Of equal scores the first is chosen; a choice is blind if no candidate has a score.
    """
    per_prompt = settings.samples_per_prompt * candidates
    rows = [row for row in read_jsonl(folder / SAMPLES) if row["sample"] < per_prompt]
    said: list[tuple[float, str]] = []
    for start in range(0, len(rows), CHUNK):
        chunk = rows[start : start + CHUNK]
        images_BHWC = np.stack([np.asarray(Image.open(folder / row["image"])) for row in chunk])
        said += score([row["prompt"] for row in chunk], images_BHWC)
        on_progress(f"scoring: {scorer}", len(said), len(rows))
    # Candidates of a picture side by side, in the order of their sample numbers.
    groups: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for row, (value, reason) in zip(rows, said, strict=True):
        picture = row["sample"] % settings.samples_per_prompt
        candidate = {
            "prompt": row["prompt"],
            "picture": picture,
            "sample": row["sample"],
            "scorer": scorer,
            "value": value,
            "reason": reason,
        }
        groups.setdefault((row["prompt"], picture), []).append(candidate)
    score_PG = np.array([[candidate["value"] for candidate in group] for group in groups.values()])
    choice = choose(score_PG)
    lines = [
        {**candidate, "chosen": place == chosen}
        for group, chosen in zip(groups.values(), choice.index_P.tolist(), strict=True)
        for place, candidate in enumerate(group)
    ]
    write_lines(folder / SCORES, lines)
    return int(choice.tied_P.sum()), int(choice.blind_P.sum())
