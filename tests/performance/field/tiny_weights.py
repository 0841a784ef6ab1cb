"""Checkpoints of the instruments of GenEval and T2I-CompBench in one folder: the real classes, tiny, random.

    python -m tests.performance.field.tiny_weights FOLDER

writes them and prints the settings that `tessera eval --set` takes. Their verdicts mean nothing; the way to
them is the whole one. Grounding DINO stands where T2I-CompBench has UniDet: a UniDet of another size than the
two published ones cannot be named by a setting.
"""

import argparse
from pathlib import Path

import torch
from transformers import Mask2FormerForUniversalSegmentation

from tessera.scorers.blip.vqa import AUTHORS
from tests.unit.scorers.blip import tiny as blip
from tests.unit.scorers.blip.reference import vqa_state
from tests.unit.scorers.clip import tiny as clip
from tests.unit.scorers.depth import tiny as dpt
from tests.unit.scorers.detection import mask2former_by_hand, tiny, tiny_clip

SURE = 32.0  # times surer of masks and classes than the random detector is: else nothing is above 0.3
SHORT, LONGEST = 64, 128  # pixels that Mask2Former sees, published are 800 and 1333
SMALLEST = 256  # that Grounding DINO may see


def geneval(folder: Path) -> list[str]:
    """Writes GenEval's instruments into a folder; returns the settings that name them."""
    detector = folder / "mask2former"
    segmenter().save_pretrained(detector)
    return [
        f"geneval.detector.weights={detector}",
        f"geneval.detector.short={SHORT}",
        f"geneval.detector.longest={LONGEST}",
        f"geneval.colours.weights={tiny_clip.save(folder / 'colours')}",
    ]


def segmenter() -> Mask2FormerForUniversalSegmentation:
    """Returns a detector that sees several classes, in parts of a picture.

    As made, all its queries see one class all over: what they have in common is taken from masks and classes.
    """
    made = mask2former_by_hand.model()
    pixels = (torch.from_numpy(clip.pictures(4, 64, 64)).permute(0, 3, 1, 2) - 128) / 64
    with torch.inference_mode():
        masks, classes = made.model.pixel_level_module.decoder.mask_projection, made.class_predictor
        masks.get_parameter("bias").data -= made(pixels).pixel_decoder_last_hidden_state.mean((0, 2, 3))
        classes.get_parameter("bias").data -= made(pixels).class_queries_logits.mean((0, 1))
        for part in (masks, classes):
            part.get_parameter("weight").data *= SURE
            part.get_parameter("bias").data *= SURE
    return made


def compbench(folder: Path) -> list[str]:
    """Writes T2I-CompBench's instruments into a folder; returns the settings that name them."""
    vqa = blip.saved(folder / "blip-vqa", AUTHORS, vqa_state(blip.SIZES), under="model")
    clip.write_clip(folder / "clip")
    words = [
        f"compbench.attributes.weights={vqa}",
        f"compbench.attributes.tokenizer={blip.words_folder(folder / 'words')}",
        f"compbench.similarity.weights={folder / 'clip'}",
        f"compbench.depth.weights={dpt.save(folder / 'dpt')}",
    ]
    for seed, name in enumerate(("detector", "depth_detector")):
        weights = tiny.save(folder / name, seed)
        words += [
            f"compbench.{name}.kind=grounding-dino",
            f"compbench.{name}.weights={weights}",
            f"compbench.{name}.look.short={SMALLEST}",
        ]
    return words


def settings(folder: Path) -> dict[str, list[str]]:
    """Writes everything into a folder; returns what --set takes, by benchmark."""
    folder.mkdir(parents=True, exist_ok=True)
    return {"geneval": geneval(folder), "compbench": compbench(folder)}


def main() -> None:
    """Writes the checkpoints, prints the settings."""
    parser = argparse.ArgumentParser(description="tiny random instruments of the benchmarks of the field")
    parser.add_argument("folder", type=Path)
    for name, words in settings(parser.parse_args().folder.absolute()).items():
        print(f"{name}: --set {' '.join(words)}")


if __name__ == "__main__":
    main()
