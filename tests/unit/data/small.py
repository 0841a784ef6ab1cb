"""A data directory in the layout of the real one, of a few prompts: what tests need where the data is not."""

import json
from pathlib import Path

from tessera.data.catalogue import DATASETS
from tessera.data.compbench_files import CATEGORIES

GENEVAL = [
    {"tag": "single_object", "include": [{"class": "bench", "count": 1}], "prompt": "a photo of a bench"},
    {"tag": "colors", "include": [{"class": "cup", "count": 1}], "prompt": "a photo of a red cup"},
]
T2I_R1 = [
    {
        "prompt": "a purple elephant and a blue bear",
        "nouns": ["elephant", "bear"],
        "attr_nouns": ["purple elephant", "blue bear"],
        "task_type": "color",
    },
    {
        "prompt": "a photo of a car below a zebra",
        "nouns": ["car", "zebra"],
        "spatial_info": {"obj1": "car", "obj2": "zebra", "locality": "below"},
        "task_type": "spatial",
    },
    {
        "prompt": "two cups and one cat",
        "nouns": ["cup", "cat"],
        "numeracy_info": [{"obj_name": "cup", "num": 2}, {"obj_name": "cat", "num": 1}],
        "task_type": "numeracy",
    },
    {"prompt": "A shape of val, number 1", "nouns": ["shape"], "task_type": "non"},
]


def write_data(root: Path) -> Path:
    """Writes the data directory; returns it.

    Of each category of T2I-CompBench there are four prompts to train on and two to measure with, of which the
    shapes' second is among the former but for its full stop.
    """
    for each in (file for known in DATASETS for file in known.files):
        folder = next(known.folder for known in DATASETS if each in known.files)
        (root / folder / each.path).parent.mkdir(parents=True, exist_ok=True)
        (root / folder / each.path).write_text("something else\n")
    dataset = root / "t2i_compbench" / "dataset"
    for category in CATEGORIES:
        train = [f"a {category} of train, number {number}" for number in range(4)]
        val = [f"a {category} of val, number {number}" for number in range(2)]
        if category == "shape":
            train[3] = f"{val[1]}."
        for split, prompts in (("train", train), ("val", val)):
            (dataset / f"{category}_{split}.txt").write_bytes("\r\n".join(prompts).encode())
            if category == "complex":
                for kind, some in (("spatial", prompts[:1]), ("action", prompts[1:2])):
                    (dataset / f"complex_{split}_{kind}.txt").write_bytes("\r\n".join(some).encode())
                rest = prompts[2:] or ["nobody asks for this"]
                (dataset / f"complex_{split}_spatialaction.txt").write_bytes("\r\n".join(rest).encode())
    _write_rows(root / "geneval" / "evaluation_metadata.jsonl", GENEVAL)
    _write_rows(root / "t2i_r1" / "geneval_and_t2i_data_final.json", T2I_R1)
    return root


def _write_rows(path: Path, rows: list[dict[str, object]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
