"""Pictures of a benchmark in its official layout, drawn by one process or several, resumable at any picture.

Beside them lies `drawn.jsonl`, a line per picture:

    {"prompt_id", "sample", "seed", "picture": path below the folder, "digest": of the file, "tokens"}

A picture is written whole before its line, so a line means a whole picture; one that is missing or was
changed since is drawn again, with the batch that it belongs to. Tokens depend on nothing but their names, but
the last bit of a pixel may depend on the size of the batch it was decoded in. So batches are always the same
ones, and neither the number of processes nor a kill changes a byte.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tessera.pool import spread
from tessera.protocols import Observed, Policy
from tessera.sampling.sampler import Request, sample_batches
from tessera.storage import append_jsonl, drop_torn_line, read_jsonl, write_atomic, write_lines, write_png
from tessera.types import Progress, Prompt, View, silent

DRAWN = "drawn.jsonl"


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """One picture to be drawn."""

    prompt_id: str
    text: str
    sample: int
    picture: str


def draw(
    folder: Path,
    benchmark: Observed,
    prompts: Sequence[Prompt],
    samples: int,
    view: View,
    *,
    seed: int,
    batch_size: int,
    policy: Callable[[int], Policy],
    processes: int = 1,
    on_progress: Progress = silent,
) -> list[dict[str, Any]]:
    """Returns the rows of all pictures, prompt by prompt; draws those that the folder lacks.

    `policy` gives the policy to a process, by its number.
    """
    for name, text in benchmark.beside(prompts):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_atomic(folder / name, text.encode())
    path = folder / DRAWN
    drop_torn_line(path)
    known = {
        (row["prompt_id"], row["sample"]): row
        for row in read_jsonl(path)
        if file_digest(folder / row["picture"]) == row["digest"]
    }
    wanted = [
        Wanted(
            prompt_id=prompt.id,
            text=prompt.text,
            sample=sample,
            picture=str(benchmark.picture(prompt, sample)),
        )
        for prompt in prompts
        for sample in range(samples)
    ]
    batches = [wanted[start : start + batch_size] for start in range(0, len(wanted), batch_size)]
    missing = [
        batch for batch in batches if any((each.prompt_id, each.sample) not in known for each in batch)
    ]
    what, done = f"{benchmark.name}: drawing", len(wanted) - sum(map(len, missing))
    on_progress(what, done, len(wanted))
    work = partial(_draw, folder=folder, view=view, seed=seed)
    for _, rows in spread(missing, policy, work, processes):
        append_jsonl(path, rows)
        known |= {(row["prompt_id"], row["sample"]): row for row in rows}
        done += len(rows)
        on_progress(what, done, len(wanted))
    ordered = [known[each.prompt_id, each.sample] for each in wanted]
    write_lines(path, ordered)
    return ordered


def file_digest(path: Path) -> str:
    """Returns a hash of a file's bytes, "" if there is none."""
    return hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest() if path.is_file() else ""


def _draw(
    policy: Policy, batch: Sequence[Wanted], *, folder: Path, view: View, seed: int
) -> list[dict[str, Any]]:
    """Draws the pictures of a batch; returns their rows."""
    asked = [Request(each.text, each.sample) for each in batch]
    (rollouts,) = sample_batches(policy, asked, view, seed=seed, batch_size=len(batch))
    rows = []
    for index, image_HWC in enumerate(policy.decode(rollouts.tokens)):
        each = batch[index]
        write_png(folder / each.picture, image_HWC)
        rows.append(
            {
                "prompt_id": each.prompt_id,
                "sample": each.sample,
                "seed": rollouts.seeds[index],
                "picture": each.picture,
                "digest": file_digest(folder / each.picture),
                "tokens": rollouts.tokens[index].tolist(),
            }
        )
    return rows
