"""The configuration of UniDet, without the model: a configuration is read in every process."""

from typing import Literal

from tessera.config import config
from tessera.errors import UserError
from tessera.scorers.placed import Placement

Backbone = Literal["r50", "rs200"]


@config
class UniDetSettings:
    """Names a checkpoint of UniDet and where it computes.

    T2I-CompBench looks at places in the plane with rs200, at depth and at counts with r50.
    """

    kind: Literal["unidet"] = "unidet"
    backbone: Backbone = "rs200"
    weights: str | None = None  # the file, or its folder; unset: from the hub, which has that of rs200 only
    place: Placement = Placement()  # one picture at a time, whatever its batch_size

    def __post_init__(self) -> None:
        if self.place.dtype != "float32":
            raise UserError(
                f"UniDet computes in float32, got dtype={self.place.dtype}: coarser numbers put a box's edge "
                "pixels aside. Leave dtype out"
            )
