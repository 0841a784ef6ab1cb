"""Pictures of the world itself: what the prompts of every category mean."""

import random
from pathlib import Path

from tessera.report.grid import captioned_grid
from tessera.rng import derive_seed
from tessera.storage import append_jsonl
from tessera.world.categories import CATEGORIES
from tessera.world.grammar import parse
from tessera.world.prompts import draw_scene, prompt_set
from tessera.world.render import render


def draw_world(folder: Path, per_category: int, seed: int) -> None:
    """Writes `id.png`, `ood.png` and `prompts.jsonl`: train prompts, each with a scene that shows it."""
    for family in CATEGORIES:
        prompts = prompt_set(family, "train", per_category, seed=seed)
        scenes = [
            draw_scene(parse(prompt.text), random.Random(derive_seed("show", seed, prompt.text)))
            for prompt in prompts
        ]
        captions = [f"{prompt.category}: {prompt.text}" for prompt in prompts]
        sheet = captioned_grid([render(scene) for scene in scenes], captions, columns=min(per_category, 8))
        sheet.save(folder / f"{family}.png")
        rows = [{"family": family, "category": p.category, "prompt": p.text} for p in prompts]
        append_jsonl(folder / "prompts.jsonl", rows)
