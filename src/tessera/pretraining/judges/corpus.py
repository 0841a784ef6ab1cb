"""The pictures that judges learn from: what the policy draws, and scenes spoilt on purpose.

All come out of the policy's tokenizer, as everything does that training will ask about, and all prompts are
of the train split. `group` pictures of a prompt stand side by side, so that judges can learn by comparison.

Axes: N pictures, T tokens.
"""

import copy
import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from tessera.policies.mosaic.policy import MosaicPolicy
from tessera.pretraining.corpus import random_scene
from tessera.pretraining.judges.labels import Labelled, join, label
from tessera.rng import derive_seed
from tessera.sampling.sampler import Request, sample
from tessera.types import Progress, View, silent
from tessera.world.categories import Family
from tessera.world.grammar import Description, change_one_fact
from tessera.world.prompts import PromptSource, categories, draw, draw_scene, prompt_at, sentence, split_of
from tessera.world.render import render_batch
from tessera.world.scene import GRID, Scene

BATCH = 64  # pictures through tokenizer and verifier at once


@dataclass(frozen=True, kw_only=True, slots=True)
class Drawing:
    """One way in which a policy draws: a view, and noise on its weights."""

    view: View
    noise: float = 0.0  # standard deviation, as a share of each matrix's own


# The base as it is asked for in training, and as it might become: hotter, without guidance, with too much of
# it, and with weights that have moved away.
AS_TRAINED = Drawing(view=View(guidance=1.5))
DRAWINGS = (
    AS_TRAINED,
    Drawing(view=View(guidance=1.0, temperature=1.2)),
    Drawing(view=View(guidance=3.0, temperature=0.8)),
    Drawing(view=View(guidance=1.5), noise=0.1),
    Drawing(view=View(guidance=1.5, temperature=1.1), noise=0.2),
)


def sampled(
    policy: MosaicPolicy,
    family: Family,
    prompts: int,
    group: int,
    drawing: Drawing,
    seed: int,
    on_progress: Progress = silent,
) -> Labelled:
    """Returns `group` pictures by the policy for each of `prompts` prompts of the stream."""
    source = PromptSource(family)
    texts = [prompt_at(source, "train", derive_seed("judges", seed), place).text for place in range(prompts)]
    texts = list(dict.fromkeys(texts))
    artist = _moved(policy, drawing.noise, seed) if drawing.noise else policy
    wanted = [Request(text, number) for text in texts for number in range(group)]
    rollouts = sample(
        artist,
        wanted,
        drawing.view,
        seed=derive_seed("judges", seed),
        batch_size=BATCH,
        on_progress=on_progress,
    )
    return labelled_tokens(policy, [request.prompt for request in wanted], rollouts.tokens, group)


def _moved(policy: MosaicPolicy, noise: float, seed: int) -> MosaicPolicy:
    """Returns the policy with noise on the matrices of its transformer."""
    generator = torch.Generator().manual_seed(derive_seed("moved", seed) % 2**32)
    moved = copy.deepcopy(policy)
    with torch.no_grad():
        for parameter in moved.transformer.parameters():
            if parameter.ndim == 2:
                step = torch.randn(parameter.shape, generator=generator)
                parameter += noise * parameter.std() * step
    return moved


def spoilt(
    policy: MosaicPolicy,
    family: Family,
    prompts: int,
    group: int,
    seed: int,
    on_progress: Progress = silent,
) -> Labelled:
    """Returns for each prompt `group` pictures: one true, the others spoilt in different ways."""
    rng = random.Random(derive_seed("spoilt", family, seed))
    names = categories(family)
    texts: list[str] = []
    scenes: list[Scene] = []
    ways: list[str] = []
    for place in range(prompts):
        while True:
            description = draw(names[place % len(names)], rng, axes=None)
            if split_of(description) == "train":
                break
        text = sentence(family, description, rng)
        for number in range(group):
            way = rng.choice(WAYS) if number else "true"
            texts.append(text)
            ways.append(way)
            scenes.append(_scene(description, way, rng))
    starts = range(0, len(scenes), BATCH)
    tokens_NT = torch.cat([policy.encode(render_batch(scenes[start : start + BATCH])) for start in starts])
    page = int(policy.encode(render_batch([()]))[0, 0])
    for row, way in enumerate(ways):
        if way == "random":  # any codes at all
            for place in rng.sample(range(tokens_NT.shape[1]), rng.choice((1, 2, 4))):
                tokens_NT[row, place] = rng.randrange(policy.spec.codebook)
        else:
            other_T = tokens_NT[rng.randrange(len(tokens_NT))]
            tokens_NT[row] = _spoil(tokens_NT[row], other_T, page, way, rng)
    return labelled_tokens(policy, texts, tokens_NT, group, on_progress)


# Twice as often: one or two facts made false, which nothing but reading can tell.
WAYS = ("mutated", "mutated", "twice", "twice", "other", "spliced", "halves", "erased", "shifted", "random")


def _scene(description: Description, way: str, rng: random.Random) -> Scene:
    if way == "mutated":
        return draw_scene(change_one_fact(description, rng)[1], rng)
    if way == "twice":
        return draw_scene(change_one_fact(change_one_fact(description, rng)[1], rng)[1], rng)
    return random_scene(rng) if way == "other" else draw_scene(description, rng)


def _spoil(
    own_T: Int[Tensor, " T"], other_T: Int[Tensor, " T"], page: int, way: str, rng: random.Random
) -> Int[Tensor, " T"]:
    """Returns the codes of a picture with some of them replaced."""
    tokens_T = own_T.clone()
    if way == "halves":
        cut = rng.randrange(2, GRID - 1) * GRID
        tokens_T[cut:] = other_T[cut:]
    elif way == "spliced":  # codes of another picture in their places
        chosen = torch.tensor(rng.sample(range(len(own_T)), rng.choice((2, 4, 8, 16))))
        tokens_T[chosen] = other_T[chosen]
    elif way == "erased":
        inked = (own_T != page).nonzero().flatten().tolist()
        chosen = rng.sample(inked, min(len(inked), rng.choice((1, 1, 2, 4))))
        tokens_T[torch.tensor(chosen, dtype=torch.long)] = page
    elif way == "shifted":  # a piece of the picture copied to another place
        places = rng.sample(range(len(own_T)), 4)
        tokens_T[torch.tensor(places)] = own_T[torch.tensor(rng.sample(places, 4))]
        inked = (own_T != page).nonzero().flatten().tolist()
        tokens_T[rng.choice(inked)] = own_T[rng.choice(inked)]
    return tokens_T


def labelled_tokens(
    policy: MosaicPolicy,
    texts: Sequence[str],
    tokens_NT: Int[Tensor, "N T"],
    group: int,
    on_progress: Progress = silent,
) -> Labelled:
    """Returns the pictures of codes with the verifier's labels."""
    parts: list[Labelled] = []
    for start in range(0, len(texts), BATCH):
        images_NHWC = policy.decode(tokens_NT[start : start + BATCH])
        parts.append(label(texts[start : start + BATCH], images_NHWC, group))
        on_progress("labels", min(start + BATCH, len(texts)), len(texts))
    return join(parts)
