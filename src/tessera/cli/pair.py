"""`tessera pair`: what the pairing of a DPO run gave, the pairs to look at, and what another would give."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from tessera.cli.common import finish, link, parse_flags, positive
from tessera.errors import UserError

if TYPE_CHECKING:
    from tessera.data.pairs import PairColumns, ScoredStore
    from tessera.policies.base import PolicyModule
    from tessera.report.pairs import PairCard

PAGE = "pairs.html"


@dataclass(frozen=True, kw_only=True)
class Flags:
    """Look at the pairs of a DPO run: how many, how far apart, and which prompts gave none.

    With --pairing it says instead what another pairing of the stored scores would give. Nothing is drawn or
    scored again, and the store is never changed.
    Example: tessera pair runs/dpo --show
    """

    folder: Annotated[Path, tyro.conf.Positional]
    """a DPO run folder, or a store (RUN/rollouts/round_000)"""
    show: bool = False
    """write a page: chosen beside rejected, of the widest and the narrowest margins"""
    num: int = 24
    """pairs on the page"""
    out: Path | None = None
    """folder of the page, pairs.html; unset: the folder that is looked at"""
    policy: str | None = None
    """what turns the stored tokens into pictures; unset: the policy that the run began with"""
    pairing: Literal["widest", "random", "all"] | None = None
    """another pairing than the one that is learnt from"""
    pairs_per_prompt: int = 1
    """of --pairing widest and random"""
    margin: float = 0.0
    """of --pairing: rewards of a pair are further apart than this"""
    json: bool = False
    """print one JSON object on standard output and nothing else"""


def run(arguments: Sequence[str]) -> int:
    """Runs the command; returns the exit code."""
    flags = parse_flags(Flags, "pair", arguments)
    positive("num", flags.num)
    positive("pairs-per-prompt", flags.pairs_per_prompt)
    if flags.margin < 0:
        raise UserError(f"--margin must be 0 or more, got {flags.margin}: a pair would be upside down")
    if flags.pairing is None and (flags.pairs_per_prompt, flags.margin) != (1, 0.0):
        raise UserError("--pairs-per-prompt and --margin describe another pairing; name it with --pairing")

    from tessera.data.pairs import find_stores, read_scored, summary
    from tessera.report.pairs import pairing_lines, pairs_page
    from tessera.storage import full_disk_told, write_atomic

    stores = [read_scored(folder) for folder in find_stores(flags.folder)]
    paired = [(store, _pairs(store, flags)) for store in stores]
    summaries = [summary(store, pairs) for store, pairs in paired]
    result = {
        "folder": str(flags.folder.absolute()),
        "pairing": flags.pairing or "stored",
        "rounds": summaries,
    }
    lines = [line for each in summaries for line in pairing_lines(each)]
    if not flags.show:
        see = f"tessera pair {link(flags.folder.absolute())} --show"
        return finish(result, as_json=flags.json, lines=[*lines, f"Next, look at the pairs: {see}"])
    out = (flags.out or flags.folder).absolute()
    cards = _cards(paired, _policy(flags), flags.num)
    name = flags.folder.absolute().name
    page = pairs_page(name, flags.pairing or "the settings of the run", summaries, cards)
    with full_disk_told(out):
        out.mkdir(parents=True, exist_ok=True)
        write_atomic(out / PAGE, page.encode())
    result["page"] = str(out / PAGE)
    return finish(result, as_json=flags.json, lines=[*lines, f"Open {link(out / PAGE)} in a browser."])


def _pairs(scored: "ScoredStore", flags: Flags) -> "PairColumns":
    """Returns the pairs that are learnt from or, with --pairing, those that the scores would give."""
    import torch

    from tessera.objective.pairing import all_pairs, random_pairs, widest_pairs
    from tessera.rng import derive_seed

    reward_PG, count, margin = scored.reward_PG, flags.pairs_per_prompt, flags.margin
    match flags.pairing:
        case None:
            return scored.pairs()
        case "widest":
            return scored.paired(widest_pairs(reward_PG, per_prompt=count, margin=margin))
        case "random":  # with the round's own seed: the pairs that training would draw
            generator = torch.Generator().manual_seed(derive_seed("pairing", scored.seed))
            return scored.paired(random_pairs(reward_PG, generator, per_prompt=count, margin=margin))
        case "all":
            return scored.paired(all_pairs(reward_PG, margin=margin))


def _policy(flags: Flags) -> "PolicyModule":
    """Returns the policy that decodes; training moves its transformer, never its picture tokens."""
    from tessera.errors import CheckpointMismatch
    from tessera.policies.load import load_policy
    from tessera.storage import CONFIG

    if flags.policy is not None:
        return load_policy(flags.policy)
    folder = flags.folder.absolute()
    for place in (folder, *folder.parents[:2]):
        path = place / CONFIG
        settings = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        if "policy" in settings:
            policy = load_policy(settings["policy"])
            if policy.digest() != settings["policy_digest"]:
                raise CheckpointMismatch(
                    f"{settings['policy']} is no longer the policy that {place} began with; name one "
                    "with the same picture tokens by --policy"
                )
            return policy
    raise UserError(f"{flags.folder} does not say which policy drew its pictures; name it with --policy")


def _cards(
    paired: "Sequence[tuple[ScoredStore, PairColumns]]", policy: "PolicyModule", most: int
) -> "list[PairCard]":
    """Returns the pairs of widest and of narrowest margin over all rounds, decoded and graded."""
    import numpy as np

    from tessera.report.pairs import PairCard, Side, widest_and_narrowest
    from tessera.scorers.mosaic import grade

    firsts = np.cumsum([0, *(len(pairs) for _, pairs in paired)])  # of each round, among the pairs of all
    cards = []
    for place in widest_and_narrowest(np.concatenate([pairs.margins for _, pairs in paired]), most):
        round_ = int(np.searchsorted(firsts, place, side="right")) - 1
        scored, pairs = paired[round_]
        pair = scored.pair(pairs, place - int(firsts[round_]))
        images_BHWC = policy.decode(scored.tokens(pair))
        sides = [
            Side(
                image_HWC=image_HWC,
                reward=reward,
                strict=verdict.strict,
                failed=tuple(fact.text for fact in verdict.facts if not fact.holds),
            )
            for image_HWC, reward, verdict in zip(
                images_BHWC,
                (pair.chosen_reward, pair.rejected_reward),
                grade([pair.prompt.text] * 2, images_BHWC),
                strict=True,
            )
        ]
        prompt = pair.prompt
        card = PairCard(
            prompt=prompt.text,
            category=prompt.category,
            store=scored.name,
            chosen=sides[0],
            rejected=sides[1],
        )
        cards.append(card)
    return cards
