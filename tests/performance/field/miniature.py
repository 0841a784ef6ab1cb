"""A data directory of two prompts in each category of GenEval and T2I-CompBench, in files named as theirs."""

import json
from pathlib import Path
from typing import Any

from tests.unit.data.small import write_data

CAR, CUP = {"class": "car", "count": 1}, {"class": "cup", "count": 1}
GENEVAL: list[dict[str, Any]] = [
    {"tag": "single_object", "include": [CAR], "prompt": "a photo of a car"},
    {"tag": "two_object", "include": [CAR, CUP], "prompt": "a photo of a car and a cup"},
    {
        "tag": "counting",
        "include": [{**CUP, "count": 2}],
        "exclude": [{**CUP, "count": 3}],
        "prompt": "a photo of two cups",
    },
    {"tag": "colors", "include": [{**CAR, "color": "red"}], "prompt": "a photo of a red car"},
    {
        "tag": "position",
        "include": [CAR, {**CUP, "position": ["left of", 0]}],
        "prompt": "a photo of a cup left of a car",
    },
    {
        "tag": "color_attr",
        "include": [{**CAR, "color": "red"}, {**CUP, "color": "blue"}],
        "prompt": "a photo of a red car and a blue cup",
    },
]
COMPBENCH = {
    "color": ("a red cup and a blue car", "a green ball and a red dog"),
    "shape": ("a round table and a square cup", "an oval ball and a big star"),
    "texture": ("a wooden table and a metal car", "a glass cup and a leather ball"),
    "spatial": ("a cat on the left of a car", "a dog on the top of a table"),
    "3d_spatial": ("a cat behind a car", "a dog in front of a cup"),
    "numeracy": ("so many of them", "three dogs"),  # the first names nothing that could be counted
    "non_spatial": ("A dog is chasing a ball.", "A cat is sleeping on a table."),
    "complex": ("The red cup was next to the big cat.", "The small dog chased the round ball."),
}


def miniature(root: Path) -> Path:
    """Returns a data directory of two prompts in each category."""
    write_data(root)
    lines = [*GENEVAL, *({**line, "prompt": f"{line['prompt']}, again"} for line in GENEVAL)]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (root / "geneval" / "evaluation_metadata.jsonl").write_text(text, encoding="utf-8")
    dataset = root / "t2i_compbench" / "dataset"
    for category, prompts in COMPBENCH.items():
        (dataset / f"{category}_val.txt").write_text("\n".join(prompts), encoding="utf-8")
    for kind, prompt in zip(("spatial", "action"), COMPBENCH["complex"], strict=True):
        (dataset / f"complex_val_{kind}.txt").write_text(prompt, encoding="utf-8")
    return root
