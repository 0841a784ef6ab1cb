"""The detector of GenEval (arXiv 2310.11513; djghosh13/geneval, MIT): Mask2Former with Swin-S, of COCO.

Two sets of weights of one architecture. OpenMMLab's are what GenEval's published numbers were made with.
Meta's on the hub were trained by another recipe, so scores near a threshold may fall on its other side: a
report calls theirs "GenEval (HF detector)". Neither was at hand here; tests/parity shows that both layouts
compute the same, on random weights. Picture and decoding are mmdet's for both: the post-processing of
transformers resizes masks to 384 pixels, gives no boxes and ignores the padding.

One picture at a time, whatever `batch_size` says, so that no row depends on its neighbours: a batch rounds
otherwise, and GenEval compares scores with thresholds. And float32 only, convolutions, too: on a GPU since
Ampere torch computes those with 10 bits after the point (TF32) unless told otherwise.
"""

from pathlib import Path

from jaxtyping import UInt8
from numpy import ndarray
from torch.backends import cudnn

from tessera.errors import CheckpointError
from tessera.hub import SAVED, Home, files_digest, found, locate
from tessera.scorers.detection.mask2former.decode import Segment, decode
from tessera.scorers.detection.mask2former.model import Mask2FormerNetwork, from_folder, from_mmdet
from tessera.scorers.detection.mask2former.picture import prepared
from tessera.scorers.detection.mask2former.settings import PUBLISHED, Mask2FormerSettings, mmdet_file
from tessera.scorers.placed import Held, held

HOME = Home(
    repo="facebook/mask2former-swin-small-coco-instance",
    files=("config.json", "|".join(SAVED)),
    licence="other",
)
MMDET_URL = (
    "https://download.openmmlab.com/mmdetection/v2.0/mask2former/"
    f"mask2former_swin-s-p4-w7-224_lsj_8x2_50e_coco/{PUBLISHED[0]}"
)
PREPROCESSING = "cv2-linear-imagenet-pad32-mmdet-1"  # changes when pictures are made or decoded otherwise


class Mask2Former:
    """The detector; its weights are looked for when first used."""

    def __init__(self, settings: Mask2FormerSettings) -> None:
        self._settings = settings
        self._where: Path | None = None
        self._held: Held[Mask2FormerNetwork] | None = None

    def segment(self, images_BHWC: UInt8[ndarray, "B H W 3"]) -> list[list[Segment]]:
        """Returns what is seen in each picture, best first: up to 100 objects, however unlikely.

        Their masks take up to 100 bytes a pixel: hand over a few pictures at a time.
        """
        if not len(images_BHWC):
            return []
        exact = cudnn.flags(enabled=True, deterministic=True, allow_tf32=False)
        with self._open().at_work() as network, exact:
            return [self._one(network, image_HWC) for image_HWC in images_BHWC]

    def digest(self) -> str:
        """Returns a hash of the files, with the settings and how pictures are made and decoded."""
        where = self._located()
        layout, files = ("mmdet", [where]) if self._settings.exact else ("hf", found(HOME, where))
        size = f"{self._settings.short}-{self._settings.longest}"
        return f"mask2former-{layout}-{size}-{files_digest(files)}-{PREPROCESSING}"

    def _one(self, network: Mask2FormerNetwork, image_HWC: UInt8[ndarray, "H W 3"]) -> list[Segment]:
        pixels_1Chw, inner = prepared(image_HWC, self._settings.short, self._settings.longest)
        class_logits_1QK, mask_logits_1Qhw = network(pixels_1Chw.to(network.device))
        if not (class_logits_1QK.isfinite().all() and mask_logits_1Qhw.isfinite().all()):
            raise CheckpointError(f"{self._where} gives no numbers: its weights are damaged; copy it again")
        height, width = pixels_1Chw.shape[-2:]
        given = (image_HWC.shape[0], image_HWC.shape[1])
        return decode(class_logits_1QK[0], mask_logits_1Qhw[0], (height, width), inner, given)

    def _located(self) -> Path:
        """Returns the file in OpenMMLab's layout, or the folder in transformers'."""
        if self._where is None:  # the hub is asked once, not at every digest
            weights = self._settings.weights
            file = mmdet_file(weights)
            if file is not None and not file.is_file():
                raise CheckpointError(
                    f"weights={weights} is no file; get GenEval's detector from {MMDET_URL} "
                    "and name that file"
                )
            self._where = file or locate(HOME, weights, "weights")
        return self._where

    def _open(self) -> Held[Mask2FormerNetwork]:
        if self._held is None:
            where, load = self._located(), from_mmdet if self._settings.exact else from_folder
            self._held = held(("Mask2Former", str(where)), lambda: load(where), self._settings.place)
        return self._held
