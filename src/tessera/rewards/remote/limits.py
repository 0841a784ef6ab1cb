"""What a reward server takes, checked before the memory or the time is spent, and how it says no."""

from typing import Literal, get_args

from tessera.config import config
from tessera.errors import TesseraError, UserError

MIB = 2**20
HEADER_BYTES = 4 * MIB  # of a request's JSON; its pictures get the rest

Failure = Literal["token", "busy", "size", "format", "digest", "refused", "crash", "slow", "gone"]
FAILURES: tuple[Failure, ...] = get_args(Failure)
STATUS: dict[Failure, int] = {
    "token": 401,
    "busy": 503,
    "size": 413,
    "format": 400,
    "digest": 409,
    "refused": 422,  # by the reward, in a sentence of its own: asking again gives the same
    "crash": 500,
    "slow": 504,
    "gone": 400,  # the client did not wait, and reads no status
}


class Refusal(TesseraError):  # noqa: N818 - a no, and no fault of the server's
    """A request that is not answered with scores; the server lives on."""

    def __init__(self, kind: Failure, sentence: str) -> None:
        super().__init__(sentence)
        self.kind: Failure = kind


@config
class Limits:
    """Bounds of a server. Clients learn them from /health and cut their requests to fit."""

    megabytes: int = 64
    """MiB of one request, as sent and as unpacked"""
    pictures: int = 256
    """of one request"""
    side: int = 2048
    """pixels of a picture's longer side"""
    prompt_chars: int = 8192
    """characters of a prompt"""
    concurrent: int = 16
    """requests that are read, wait or are scored at once; more are told to come back"""
    seconds: float = 300.0
    """for one request, from its first byte to its answer"""

    def __post_init__(self) -> None:
        for name in ("pictures", "side", "prompt_chars", "concurrent"):
            if getattr(self, name) < 1:
                raise UserError(f"{name} must be 1 or more, got {getattr(self, name)}")
        if self.picture_bytes <= 0:
            raise UserError(
                f"megabytes must be above {HEADER_BYTES // MIB}, which prompts may take, got {self.megabytes}"
            )
        if not self.seconds > 0:
            raise UserError(f"seconds must be above 0, got {self.seconds:g}")

    @property
    def request_bytes(self) -> int:
        """Of one request as it is sent."""
        return self.megabytes * MIB

    @property
    def picture_bytes(self) -> int:
        """Of all pictures of one request, unpacked."""
        return self.request_bytes - HEADER_BYTES
