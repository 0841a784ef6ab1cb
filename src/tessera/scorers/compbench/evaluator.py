"""What T2I-CompBench's instruments see on a picture (arXiv 2307.06350): plain data, judged by `verdict.py`.

    "prompt"        {"text", "category", "metadata"}: what was asked for
    "reading"       the prompt word by word (`reading.py`)
    "size"          [height, width] of the picture
    "answers"       [{"chunk", "yes": p(yes) / (p(yes) + p(no))}, ...]   color, shape, texture, complex
    "similarity"    CLIP's cosine                                        non_spatial, complex
    "detections"    [{"label", "score", "box"}, ...]      spatial, complex, numeracy, 3d_spatial
                    with "depth" and "depth_transposed", means of the box, for 3d_spatial
    "vocabulary"    "closed" (UniDet's labels) or "open" (asked for the prompt's nouns)
    "problem"       why an instrument could not look, if one could not

Boxes are kept to a thousandth of a pixel, scores to six decimals: verdicts are made of what is kept.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jaxtyping import UInt8
from numpy import ndarray

from tessera.config import digest
from tessera.scorers.compbench.attributes import questions
from tessera.scorers.compbench.counts import nouns_of
from tessera.scorers.compbench.depth import depths, framed
from tessera.scorers.compbench.instruments import Instruments, Need, needs
from tessera.scorers.compbench.labels import framed as box_framed
from tessera.scorers.compbench.reading import Reader, Reading
from tessera.scorers.compbench.relations import PUBLISHED_3D, WORDS_2D, mended
from tessera.scorers.detection.detector import Detector
from tessera.scorers.detection.unidet.model import frame
from tessera.types import Prompt

SEEN = "t2i-compbench seen 1"  # changes when what is kept does
DIGITS_BOX, DIGITS_SCORE = 3, 6

Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Evaluator:
    """Instruments and a reader of prompts."""

    categories: tuple[str, ...]  # that are looked at
    instruments: Instruments
    reader: Reader

    def observe(self, prompts: Sequence[Prompt], images_BHWC: UInt8[ndarray, "B H W 3"]) -> list[Row]:
        """Returns what is seen on each picture, as plain data."""
        readings = [self.reader.read(prompt) for prompt in prompts]
        height, width = images_BHWC.shape[1:3]
        rows = [
            {"prompt": _plain(prompt), "reading": reading.to_json(), "size": [height, width]}
            for prompt, reading, _ in zip(prompts, readings, images_BHWC, strict=True)
        ]
        for prompt, row in zip(prompts, rows, strict=True):
            if prompt.category not in self.categories:
                judged = ", ".join(self.categories)
                row["problem"] = f"the category {prompt.category!r} is not looked at; those are: {judged}"

        def those(need: Need) -> list[int]:
            return [
                index
                for index, (prompt, row) in enumerate(zip(prompts, rows, strict=True))
                if need in needs(prompt) and "problem" not in row
            ]

        self._ask(those("attributes"), readings, images_BHWC, rows)
        self._compare(those("similarity"), prompts, readings, images_BHWC, rows)
        self._detect(self.instruments.plane, those("plane"), prompts, images_BHWC, rows)
        self._detect(self.instruments.counts, those("counts"), prompts, images_BHWC, rows)
        self._measure(those("depth"), images_BHWC, rows)
        return rows

    def digest(self) -> str:
        """Returns a hash of instruments and reader."""
        return digest(
            {
                "seen": SEEN,
                "categories": list(self.categories),
                "instruments": self.instruments.digests(),
                "open": self.instruments.open_vocabulary,
                "reader": self.reader.digest,
            }
        )

    def _ask(
        self,
        places: Sequence[int],
        readings: Sequence[Reading],
        images_BHWC: UInt8[ndarray, "B H W 3"],
        rows: Sequence[Row],
    ) -> None:
        """Adds BLIP's answers to some rows."""
        if not places or self.instruments.attributes is None:
            return
        asked = [questions(readings[place].chunks) for place in places]
        answers = self.instruments.attributes.probability_yes(images_BHWC[list(places)], asked)
        for place, these, values in zip(places, asked, answers, strict=True):
            rows[place]["answers"] = [
                {"chunk": question.removesuffix("?"), "yes": value if math.isfinite(value) else None}
                for question, value in zip(these, values, strict=True)
            ]

    def _compare(
        self,
        places: Sequence[int],
        prompts: Sequence[Prompt],
        readings: Sequence[Reading],
        images_BHWC: UInt8[ndarray, "B H W 3"],
        rows: Sequence[Row],
    ) -> None:
        """Adds CLIP's cosine to some rows; of a complex prompt without its adjectives."""
        if not places or self.instruments.similarity is None:
            return
        texts = [
            readings[place].without_adjectives
            if prompts[place].category == "complex"
            else prompts[place].text
            for place in places
        ]
        asked = [Prompt(id=prompts[place].id, text=text) for place, text in zip(places, texts, strict=True)]
        found = self.instruments.similarity.score(asked, images_BHWC[list(places)])
        for place, value, reason in zip(places, found.value_B.tolist(), found.reasons, strict=True):
            rows[place]["similarity"] = value if math.isfinite(value) else None
            if not math.isfinite(value):
                rows[place]["problem"] = reason

    def _detect(
        self,
        detector: Detector | None,
        places: Sequence[int],
        prompts: Sequence[Prompt],
        images_BHWC: UInt8[ndarray, "B H W 3"],
        rows: Sequence[Row],
    ) -> None:
        """Adds what is detected to some rows."""
        names = {place: wanted(prompts[place]) for place in places}
        height, width = images_BHWC.shape[1:3]
        for place in places:
            if 0 in frame(width, height):
                rows[place]["problem"] = f"a picture of {height} by {width} pixels is too narrow to search"
            elif self.instruments.open_vocabulary and not names[place]:
                rows[place]["problem"] = f"no object is read in {prompts[place].text!r:.80}"
        clear = [place for place in places if "problem" not in rows[place]]
        if not clear or detector is None:
            return
        sightings = detector.detect(images_BHWC[clear], [names[place] for place in clear])
        for place, sighting in zip(clear, sightings, strict=True):
            rows[place]["vocabulary"] = "open" if self.instruments.open_vocabulary else "closed"
            rows[place]["detections"] = [
                {
                    "label": each.name,
                    "score": round(each.score, DIGITS_SCORE),
                    "box": [round(edge, DIGITS_BOX) for edge in each.box],
                }
                for each in sighting.detections
            ]
            if sighting.reason:
                rows[place]["problem"] = sighting.reason

    def _measure(
        self, places: Sequence[int], images_BHWC: UInt8[ndarray, "B H W 3"], rows: Sequence[Row]
    ) -> None:
        """Adds the depth inside each detected box to some rows."""
        places = [place for place in places if "problem" not in rows[place]]
        if not places or self.instruments.depth is None:
            return
        height, width = images_BHWC.shape[1:3]
        for place, map_SS in zip(places, self.instruments.depth.maps(images_BHWC[places]), strict=True):
            map_HW = framed(map_SS, height, width)
            for each in rows[place]["detections"]:
                right, transposed = depths(map_HW, box_framed(each["box"], height, width))
                each["depth"], each["depth_transposed"] = right, transposed


def wanted(prompt: Prompt) -> list[str]:
    """Returns the nouns that a prompt's rule looks for, for a detector that must be told."""
    if prompt.category == "numeracy":
        return list(nouns_of(prompt.text))
    asked = mended(prompt.text, PUBLISHED_3D if prompt.category == "3d_spatial" else WORDS_2D)
    return list(dict.fromkeys(noun for noun in (asked.first, asked.second) if noun))


def _plain(prompt: Prompt) -> Row:
    metadata = {key: value for key, value in prompt.metadata.items() if key != "chunks"}  # in the reading
    return {"text": prompt.text, "category": prompt.category, "metadata": metadata}
