"""What GenEval sees of a picture: the objects of every class, and the colours of those whose colour is asked.

The first half of djghosh13/geneval:evaluation/evaluate_images.py (arXiv 2310.11513): a segmenter finds
objects of COCO's 80 classes; of each class those above 0.3 are kept, at most 16, the most confident first;
and where the prompt names a colour of a class, a classifier names that of each of them. Rules come after
(`geneval.py` as a reward, `benchmarks.geneval` as a benchmark), and need no picture.

All of such a class are named, where the published tool names as many as are asked for: a reward counts them
all, and rules can be applied again at a higher threshold. No verdict of GenEval's changes by it.

Axes: B pictures.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from jaxtyping import Bool, UInt8
from numpy import ndarray

from tessera.scorers.detection.geneval import MOST, THRESHOLD, Seen
from tessera.scorers.detection.mask2former.decode import Segment
from tessera.scorers.detection.mask2former.names import OBJECT_NAMES

AT_ONCE = 8  # pictures: a hundred masks each, most of which are dropped, are 15 MB at 384 pixels


@runtime_checkable  # so that tests check arguments at run time
class Segmenter(Protocol):
    """Finds objects of its classes. What it says of one picture depends on no other."""

    def segment(self, images_BHWC: UInt8[ndarray, "B H W 3"]) -> Sequence[Sequence[Segment]]:
        """Returns the objects in each picture."""
        ...

    def digest(self) -> str:
        """Returns a hash of the weights and of what else changes its objects."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Patch:
    """One object in its picture, whose colour is asked."""

    image_HWC: UInt8[ndarray, "H W 3"]
    mask_HW: Bool[ndarray, "H W"]
    box: tuple[float, float, float, float]
    name: str  # of its class


@runtime_checkable  # so that tests check arguments at run time
class ColourNamer(Protocol):
    """Names the colours of objects. What it says of one object depends on no other."""

    def names(self, patches: Sequence[Patch]) -> Sequence[str]:
        """Returns a colour each, one of `geneval.COLOURS`."""
        ...

    def digest(self) -> str:
        """Returns a hash of the weights and of what else changes its answers."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Eyes:
    """A segmenter, and a classifier of colours that is asked only where a prompt asks."""

    segmenter: Segmenter
    colours: ColourNamer

    def see(
        self, metadata_B: Sequence[Mapping[str, Any]], images_BHWC: UInt8[ndarray, "B H W 3"]
    ) -> list[dict[str, list[Seen]]]:
        """Returns the objects of each class in each picture, the most confident first.

        `metadata` is a line of GenEval's: its `include` says of which classes the colours are asked.
        """
        rows = list(zip(metadata_B, images_BHWC, strict=True))
        kept_B = [
            kept(objects)
            for start in range(0, len(rows), AT_ONCE)
            for objects in self.segmenter.segment(images_BHWC[start : start + AT_ONCE])
        ]
        asked = [
            (row, name, place)
            for row, (metadata, _) in enumerate(rows)
            for name in coloured(metadata)
            for place in range(len(kept_B[row].get(name, ())))
        ]
        patches = [
            Patch(image_HWC=rows[row][1], mask_HW=each.mask_HW, box=each.box, name=name)
            for row, name, place in asked
            for each in [kept_B[row][name][place]]
        ]
        named = self.colours.names(patches) if patches else []  # a model that is not needed is not loaded
        colour = dict(zip(asked, named, strict=True))
        return [
            {
                name: [
                    Seen(score=each.score, box=each.box, colour=colour.get((row, name, place), ""))
                    for place, each in enumerate(objects)
                ]
                for name, objects in found.items()
            }
            for row, found in enumerate(kept_B)
        ]

    def digest(self) -> str:
        """Returns a hash of both instruments."""
        return f"{self.segmenter.digest()}-{self.colours.digest()}"


def coloured(metadata: Mapping[str, Any]) -> list[str]:
    """Returns the classes whose colour the prompt names, each once."""
    clauses = metadata.get("include", ())
    return list(dict.fromkeys(clause["class"] for clause in clauses if "color" in clause))


def kept(objects: Sequence[Segment]) -> dict[str, list[Segment]]:
    """Returns the objects of each class that may count, classes in GenEval's order."""
    found: dict[str, list[Segment]] = {}
    for index, name in enumerate(OBJECT_NAMES):
        mine = [each for each in objects if each.index == index and each.score > THRESHOLD]
        if mine:
            found[name] = sorted(mine, key=lambda each: -each.score)[:MOST]
    return found
