"""What a policy is made of, and what of it trains: for `tessera doctor --policy`.

A published policy is built without its weights, on torch's `meta` device, whose tensors have shapes and no
numbers; so nothing is fetched, and 8 B parameters take a second.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import nn

from tessera.policies.base import PolicyModule
from tessera.policies.emu3.config import Emu3Config
from tessera.policies.janus.config import JanusConfig
from tessera.policies.llamagen.files import PUBLISHED
from tessera.policies.load import RANDOM, load_policy
from tessera.policies.settings import NAMED

META = torch.device("meta")
LETTERS = 256  # text slots of Emu3 where a token is a letter


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """A piece of a policy whose weights all train, or all stay."""

    name: str
    parameters: int
    dtype: str
    trains: bool


def outline(name: str) -> PolicyModule:
    """Returns the policy of that name; of a published one, shapes without numbers."""
    published = name.removeprefix(RANDOM)
    settings = NAMED.get(published)
    match settings:
        case JanusConfig():
            from tessera.policies.janus.published import random_janus  # noqa: PLC0415 - imports transformers

            size = "1b" if published.endswith("1b") else "7b"
            return random_janus(size, seed=0, settings=settings, device=META)
        case Emu3Config():
            from tessera.policies.emu3.published import random_emu3  # noqa: PLC0415 - likewise

            return random_emu3(seed=0, settings=replace(settings, text_slots=LETTERS), device=META)
        case _ if published in PUBLISHED:
            from tessera.policies.llamagen.load import outline_published  # noqa: PLC0415 - likewise

            return outline_published(published)
        case _:
            return load_policy(name)


def parts_of(policy: PolicyModule) -> list[Part]:
    """Returns the parts: as large as they can be without holding both what trains and what stays."""
    return list(_parts("", policy, {id(parameter) for _, parameter in policy.trainable()}))


def _parts(name: str, module: nn.Module, trained: set[int]) -> Iterator[Part]:
    kinds = {(id(each) in trained, each.dtype) for each in module.parameters()}
    if len(kinds) == 1 and name:
        yield _part(name, list(module.parameters()), trained)
        return
    for own, parameter in module.named_parameters(recurse=False):
        yield _part(_joined(name, own), [parameter], trained)
    for child, inner in module.named_children():
        yield from _parts(_joined(name, child), inner, trained)


def _part(name: str, parameters: list[nn.Parameter], trained: set[int]) -> Part:
    first = parameters[0]
    return Part(
        name=name,
        parameters=sum(each.numel() for each in parameters),
        dtype=str(first.dtype).removeprefix("torch."),
        trains=id(first) in trained,
    )


def _joined(above: str, name: str) -> str:
    return f"{above}.{name}" if above else name
