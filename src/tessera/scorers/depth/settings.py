"""The configuration of the depth instrument, without its model: a configuration is read in every process."""

from tessera.config import config
from tessera.errors import UserError
from tessera.scorers.placed import Placement


@config
class DepthSettings:
    """Names DPT-Hybrid of MiDaS (122 M parameters), the depth instrument of T2I-CompBench++."""

    weights: str | None = None  # a folder as transformers saves it, or another id on the hub
    place: Placement = Placement()

    def __post_init__(self) -> None:
        if self.place.dtype != "float32":
            raise UserError(
                f"the depth instrument computes in float32, got dtype={self.place.dtype}: its maps are "
                "spread over 256 levels, and coarser numbers have fewer. Leave dtype out"
            )
