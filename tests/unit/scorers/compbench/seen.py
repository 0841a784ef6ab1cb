"""What was seen, written by hand; and instruments that see what they are told."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from numpy import ndarray

from tessera.scorers.compbench.reading import Reading
from tessera.scorers.compbench.words import noun_phrases, tagged
from tessera.scorers.detection.detector import Detection, Sighting
from tessera.tensors import Scores
from tessera.types import Prompt

SIDE = 479  # pixels: the picture that T2I-CompBench measures in, so that boxes stay what they are
Box = tuple[float, float, float, float]


def prompt(text: str, category: str, **metadata: Any) -> Prompt:
    """Returns a prompt of the benchmark."""
    told = {"benchmark": "compbench", **metadata}
    return Prompt(id=f"compbench/{category}_val/0000", text=text, category=category, metadata=told)


def reading(text: str) -> Reading:
    """Returns the prompt as the own reader has it."""
    words = tagged(text)
    return Reading(chunks=noun_phrases(words), words=words, source="own")


def detected(
    text: str,
    *objects: tuple[str, float, Box],
    depths: Sequence[tuple[float, float]] = (),
    vocabulary: str = "closed",
    size: int = SIDE,
    words: Sequence[tuple[str, str]] | None = None,
) -> dict[str, Any]:
    """Returns what a detector saw: label, score, box of each; of each perhaps depth and transposed depth."""
    read = reading(text)
    if words is not None:
        read = Reading(chunks=read.chunks, words=tuple(words), source="spacy")
    rows: list[dict[str, Any]] = [
        {"label": label, "score": score, "box": list(box)} for label, score, box in objects
    ]
    for row, (depth, transposed) in zip(rows, depths, strict=False):
        row["depth"], row["depth_transposed"] = depth, transposed
    return {
        "reading": read.to_json(),
        "size": [size, size],
        "vocabulary": vocabulary,
        "detections": rows,
    }


def answered(text: str, **yes: float | None) -> dict[str, Any]:
    """Returns BLIP's answers to phrases; in their names "_" stands for a space."""
    answers = [{"chunk": name.replace("_", " "), "yes": value} for name, value in yes.items()]
    return {"reading": reading(text).to_json(), "size": [SIDE, SIDE], "answers": answers}


@dataclass(slots=True)
class Blip:
    """Answers each question by its first letter that it knows, else NaN; remembers what it was asked."""

    yes: Mapping[str, float]
    asked: list[list[str]] = field(default_factory=list)

    def probability_yes(
        self, images_BHWC: UInt8[ndarray, "B H W 3"], questions: Sequence[Sequence[str]]
    ) -> list[list[float]]:
        self.asked += [list(each) for each, _ in zip(questions, images_BHWC, strict=True)]
        return [[self.yes.get(question, math.nan) for question in each] for each in questions]

    def digest(self) -> str:
        return "blip"


@dataclass(slots=True)
class Clip:
    """Gives a picture the brightness of its first pixel; remembers the texts."""

    texts: list[str] = field(default_factory=list)
    name: str = "clip"

    def score(self, prompts: Sequence[Prompt], images_BHWC: UInt8[ndarray, "B H W 3"]) -> Scores:
        self.texts += [each.text for each in prompts]
        value_B = torch.from_numpy(images_BHWC[:, 0, 0, 0].astype(np.float64)) / 255
        wordless = torch.tensor([not each.text for each in prompts])
        value_B[wordless] = math.nan
        reasons = tuple("" if each.text else "no words" for each in prompts)
        return Scores(value_B=value_B, reasons=reasons, digest=self.digest())

    def digest(self) -> str:
        return "clip"


@dataclass(slots=True)
class Eye:
    """Sees the same objects on every picture; remembers for what it was asked."""

    objects: tuple[tuple[str, float, Box], ...]
    word: str = "eye"
    names: list[list[str]] = field(default_factory=list)

    def detect(
        self, images_BHWC: UInt8[ndarray, "B H W 3"], names_B: Sequence[Sequence[str]]
    ) -> list[Sighting]:
        self.names += [list(each) for each, _ in zip(names_B, images_BHWC, strict=True)]
        found = tuple(Detection(name=name, score=score, box=box) for name, score, box in self.objects)
        return [Sighting(detections=found) for _ in names_B]

    def digest(self) -> str:
        return self.word


@dataclass(frozen=True, slots=True)
class Ramp:
    """Says that pictures are the nearer the more to the right."""

    def maps(self, images_BHWC: UInt8[ndarray, "B H W 3"]) -> list[UInt8[ndarray, "480 480"]]:
        row_W = np.linspace(0, 255, 480).astype(np.uint8)
        return [np.tile(row_W, (480, 1)) for _ in images_BHWC]

    def digest(self) -> str:
        return "ramp"
