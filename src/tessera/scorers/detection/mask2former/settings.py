"""Which Mask2Former, on what and how large, without the model: a configuration is read in every process."""

from pathlib import Path
from typing import Literal

from tessera.config import config
from tessera.errors import UserError
from tessera.scorers.placed import Placement

SHORT, LONGEST = 800, 1333
SMALLEST = 32  # pixels: one place of the coarsest feature map
# OpenMMLab's file, as it is published and as djghosh13/geneval:evaluation/download_models.sh saves it.
PUBLISHED = (
    "mask2former_swin-s-p4-w7-224_lsj_8x2_50e_coco_20220504_001756-743b7d99.pth",
    "mask2former_swin-s-p4-w7-224_lsj_8x2_50e_coco.pth",
)


@config
class Mask2FormerSettings:
    """The detector of GenEval. Other weights, `short` or `longest` are another instrument."""

    kind: Literal["mask2former"] = "mask2former"
    # OpenMMLab's .pth, or a folder with it: GenEval's own detector. A folder or hub id with transformers'
    # files, or unset: Meta's weights of the same architecture, trained by another recipe.
    weights: str | None = None
    short: int = SHORT  # pixels of the shorter side; djghosh13/geneval, by mmdet's test pipeline
    longest: int = LONGEST  # what the longer side may at most be
    place: Placement = Placement()  # float32; one picture at a time, whatever batch_size says

    def __post_init__(self) -> None:
        if not SMALLEST <= self.short <= self.longest:
            raise UserError(
                f"short must lie between {SMALLEST} and longest={self.longest}, got {self.short}; "
                f"published are short={SHORT} and longest={LONGEST}"
            )
        if self.place.dtype != "float32":
            raise UserError(
                f"Mask2Former computes in float32, got dtype={self.place.dtype}: its scores are compared "
                "with fixed thresholds. Leave dtype out"
            )

    @property
    def exact(self) -> bool:
        """Whether these are weights in OpenMMLab's layout, which GenEval uses, and not transformers'."""
        return mmdet_file(self.weights) is not None

    @property
    def label(self) -> str:
        """What a report calls GenEval by this detector: only the first of them is the published number."""
        if (self.short, self.longest) != (SHORT, LONGEST):
            return f"GenEval (pictures at {self.short} to {self.longest} pixels)"
        return "GenEval" if self.exact else "GenEval (HF detector)"


def mmdet_file(weights: str | None) -> Path | None:
    """Returns the file in OpenMMLab's layout that `weights` names or holds, None for transformers'."""
    if weights is None:
        return None
    path = Path(weights).expanduser()
    if path.suffix in (".pth", ".safetensors"):
        return path
    return next((path / name for name in PUBLISHED if (path / name).is_file()), None)
