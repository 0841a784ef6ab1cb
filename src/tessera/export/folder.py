"""From a run to a folder for others, whole or not there."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from tessera.config import to_plain
from tessera.errors import OutputError, UserError
from tessera.export.adapter import portable, write_adapter
from tessera.export.card import Facts, model_card
from tessera.export.results import BASE, THIS, read_results
from tessera.export.source import Source, base_of, chained, dtype_of, hub_id, in_full
from tessera.export.terms import terms_of
from tessera.export.weights import write_weights
from tessera.policies.base import PolicyModule
from tessera.policies.emu3.policy import Emu3Policy
from tessera.policies.janus.policy import JanusPolicy
from tessera.storage import full_disk_told, write_atomic, write_json

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
CARD, PROVENANCE, ADAPTER = "README.md", "provenance.json", "adapter"


def export(
    source: Source,
    out: Path,
    version: str,
    *,
    dtype: str | None = None,
    base_model: str | None = None,
    results: Sequence[Path] = (),
    shard_bytes: int = 5 * 10**9,
) -> dict[str, Any]:
    """Writes weights, adapter, card and provenance; returns what the folder holds.

    `dtype` unset: that of the weights as they were trained. `base_model` names the base on the hub where the
    run does not tell.
    """
    if dtype is not None and dtype not in DTYPES:
        raise UserError(f"dtype must be one of {', '.join(DTYPES)}, got {dtype}")
    digests = {THIS: source.digest, BASE: str(source.config.get("policy_digest", ""))}
    measured = [read_results(folder, digests) for folder in results]
    wanted = DTYPES[dtype] if dtype else dtype_of(source.policy)
    policy = source.policy if wanted == dtype_of(source.policy) else in_full(source)
    base = base_of(source.config)
    named = base_model or hub_id(base)
    tensors, settings = source.adapter, source.adapter_settings
    with fresh_folder(out) as work, full_disk_told(out):
        copied = write_weights(policy, work, wanted, base=base, shard_bytes=shard_bytes)
        adapted = False
        if tensors is not None and settings is not None and portable(tensors, policy):
            write_adapter(tensors, settings, policy, work / ADAPTER, named)
            adapted = True
        facts = Facts(
            name=out.name,
            family=policy.spec.name,
            base_model=named,
            chained=chained(source.config),
            terms=terms_of(policy),
            version=version,
            config=source.config,
            step=source.state.step,
            images=source.state.images,
            seconds=source.state.seconds,
            spent=source.spent,
            settings=_settings(policy),
            digest=source.digest,
            dtype=str(wanted).removeprefix("torch."),
            adapter=adapted,
            copied=copied,
            measured=measured,
        )
        write_atomic(work / CARD, model_card(facts).encode())
        write_json(
            work / PROVENANCE,
            {
                "tessera": version,
                "base_model": named,
                "step": facts.step,
                "images": facts.images,
                "policy_digest": facts.digest,
                "dtype": facts.dtype,
                "run": dict(source.config),
            },
        )
    return {
        "out": str(out.absolute()),
        "step": facts.step,
        "family": facts.family,
        "dtype": facts.dtype,
        "base_model": named,
        "adapter": adapted,
        "files": sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()),
    }


def _settings(policy: PolicyModule) -> dict[str, Any]:
    """Returns what the policy reads prompts by and its weights do not tell."""
    if not isinstance(policy, JanusPolicy | Emu3Policy):
        return {}
    told = to_plain(policy.config)
    return {name: value for name, value in told.items() if name not in ("kind", "weights", "dtype")}


@contextmanager
def fresh_folder(out: Path) -> Iterator[Path]:
    """Gives a folder to be filled, which gets its name at the end and is removed if that is not reached."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise OutputError(f"{out} exists and is not empty; nothing is written over. Choose another --out")
    work = out.absolute().with_name(f"{out.absolute().name}.partial")
    if work.exists():
        raise OutputError(f"{work} is left of an export that was killed; delete it")
    work.mkdir(parents=True)
    try:
        yield work
        if out.exists():
            out.rmdir()
        work.rename(out.absolute())
    except BaseException:  # an interrupt, too; what is half-written is of no use
        shutil.rmtree(work, ignore_errors=True)
        raise
