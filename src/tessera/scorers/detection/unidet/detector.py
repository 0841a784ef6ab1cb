"""UniDet as a detector of pictures.

Its vocabulary is closed. It says all it sees of its 722 classes, whatever names it is asked for: who asks
compares names by rules of their own. T2I-CompBench takes an equal name in the plane, a part of one in depth
and in counts. One picture at a time: what is seen in one depends on no other.
"""

from collections.abc import Sequence
from pathlib import Path

from jaxtyping import UInt8
from numpy import ndarray

from tessera.hub import files_digest
from tessera.scorers.detection.detector import Detection, Sighting
from tessera.scorers.detection.unidet.cascade import chosen
from tessera.scorers.detection.unidet.design import DESIGNS, Design
from tessera.scorers.detection.unidet.labels import labels
from tessera.scorers.detection.unidet.load import find, read
from tessera.scorers.detection.unidet.model import UniDetModel, fed, frame
from tessera.scorers.detection.unidet.settings import UniDetSettings
from tessera.scorers.pictures import to_pil
from tessera.scorers.placed import Held, held

RULES = "bgr-479-bilinear 0.1 0.5 300 labels-1"  # changes when pictures, choice or names are made otherwise


class UniDet:
    """The detector; its weights are looked for when first used."""

    def __init__(self, settings: UniDetSettings, design: Design | None = None) -> None:
        """Takes the settings; `design` is for weights of other sizes than the published ones."""
        self._settings = settings
        self._design = DESIGNS[settings.backbone] if design is None else design
        self._path: Path | None = None
        self._ready: Held[UniDetModel] | None = None

    def detect(
        self, images_BHWC: UInt8[ndarray, "B H W 3"], names_B: Sequence[Sequence[str]]
    ) -> list[Sighting]:
        """Returns all that is seen in each picture, best first; its names are those of `labels`."""
        rows = list(zip(images_BHWC, names_B, strict=True))
        if not rows:
            return []
        with self._open().at_work() as model:
            return [self._one(model, image) for image, _ in rows]

    def digest(self) -> str:
        """Returns a hash of the file, of the backbone and of how pictures are fed and detections chosen."""
        return f"{self._settings.backbone}-{files_digest([self._found()])}-{RULES.replace(' ', '-')}"

    def _found(self) -> Path:
        if self._path is None:  # the hub is asked once, not at every digest
            self._path = find(self._settings.backbone, self._settings.weights)
        return self._path

    def _open(self) -> Held[UniDetModel]:
        if self._ready is None:
            path, design = self._found(), self._design
            self._ready = held(
                ("UniDet", str(path), design), lambda: read(path, design), self._settings.place
            )
        return self._ready

    def _one(self, model: UniDetModel, image_HWC: UInt8[ndarray, "H W 3"]) -> Sighting:
        height, width, _ = image_HWC.shape
        seen_width, seen_height = frame(width, height)
        if not seen_width or not seen_height:
            return Sighting(reason=f"a picture of {height} by {width} pixels is too narrow for the detector")
        pixels_3HW = fed(to_pil(image_HWC)).to(self._settings.place.torch_device())
        boxes_N4, scores_NK = model(pixels_3HW)
        if not (boxes_N4.isfinite().all() and scores_NK.isfinite().all()):
            return Sighting(reason="the detector gave no number: are its weights whole?")
        boxes_M4, scores_M, class_M = (each.cpu() for each in chosen(boxes_N4, scores_NK))
        across, down = width / seen_width, height / seen_height
        detections = []
        for box, score, index in zip(boxes_M4.tolist(), scores_M.tolist(), class_M.tolist(), strict=True):
            left, top, right, bottom = box
            corners = (left * across, top * down, right * across, bottom * down)
            detections.append(Detection(name=labels()[index], score=score, box=corners))
        return Sighting(detections=tuple(detections))
