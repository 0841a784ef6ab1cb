"""An eval folder as the command line writes it, from rendered scenes with some facts spoilt."""

import random
from pathlib import Path

import numpy as np
import pytest

from tessera.benchmarks.layout import RECORDS, SUMMARY, picture_path
from tessera.benchmarks.summary import summarise
from tessera.storage import CONFIG, append_jsonl, write_json, write_png
from tessera.types import EvalRecord
from tessera.world.grammar import change_one_fact, parse
from tessera.world.prompts import PromptSource, draw_scene, prompt_set
from tessera.world.render import render
from tessera.world.verify import read, verify

BENCHMARKS = ("mosaic-id", "mosaic-ood")
PROMPTS = 10
SAMPLES = 2


@pytest.fixture(scope="session")
def noisy_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two benchmarks of six categories; every picture is as noisy as a bad tokenizer's. Do not change it."""
    folder = tmp_path_factory.mktemp("eval")
    rng = random.Random(5)
    noise = np.random.default_rng(5)
    records: list[EvalRecord] = []
    for name in BENCHMARKS:
        for prompt in prompt_set(PromptSource.parse(name).family, "test", PROMPTS):
            asked = parse(prompt.text)
            for sample in range(SAMPLES):
                # Draw another description than asked for in 45 of 100 cases.
                drawn = change_one_fact(asked, rng)[1] if rng.random() < 0.45 else asked
                image_HWC = render(draw_scene(drawn, rng)) + noise.normal(0, 5, (128, 128, 3))
                image_HWC = np.clip(np.rint(image_HWC), 0, 255).astype(np.uint8)
                record = EvalRecord(
                    benchmark=name,
                    category=prompt.category,
                    prompt_id=prompt.id,
                    prompt=prompt.text,
                    sample=sample,
                    seed=1,
                    grade=verify(asked, read(image_HWC[None])[0]),
                    tokens=(1, 2, 3),
                )
                records.append(record)
                write_png(folder / picture_path(record), image_HWC)
    write_records(folder, records)
    return folder


def write_records(folder: Path, records: list[EvalRecord]) -> None:
    """Writes all files of an eval folder but the pictures."""
    names = list(dict.fromkeys(record.benchmark for record in records))
    categories = {
        name: list(dict.fromkeys(r.category for r in records if r.benchmark == name)) for name in names
    }
    config = {
        "tessera": "0.1.0",
        "command": "tessera eval --policy mosaic",
        "policy": "mosaic",
        "policy_digest": "9c41f0aa",
        "benchmarks": names,
        "view": {"guidance": 3.0, "temperature": 1.0, "top_k": 0, "top_p": 0.9},
        "seed": 0,
        "samples_per_prompt": SAMPLES,
        "prompts_per_category": PROMPTS,
        "seconds": 75.2,
        "images_per_second": 3.2,
    }
    write_json(folder / CONFIG, config)
    write_json(folder / SUMMARY, summarise(records, categories))
    append_jsonl(folder / RECORDS, [record.to_json() for record in records])
