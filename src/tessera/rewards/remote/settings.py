"""Where a reward behind HTTP is, and how long and how often it is asked."""

from typing import Literal

import httpx2

from tessera.config import config
from tessera.errors import UserError


@config
class RemoteReward:
    """A reward behind HTTP, on one server or on several that serve the same (docs/remote.md)."""

    kind: Literal["remote"] = "remote"
    urls: tuple[str, ...]  # of the servers
    timeout: float = 120.0  # seconds for the answer to one request
    retries: int = 3  # after the first attempt, on faults of the way and 5xx alone
    backoff: float = 0.5  # seconds before the first retry, doubled before each further one
    token_env: str | None = None  # environment variable that holds the servers' token
    digest: str | None = None  # that the servers must have; unset: the one they begin with
    max_pictures: int = 256  # of one request; a server may take fewer

    def __post_init__(self) -> None:
        if not self.urls or len(set(self.bases)) < len(self.urls):
            raise UserError(f"urls names one server or more, each once, got {list(self.urls)}")
        for url in self.urls:
            _check_url(url)
        for name in ("timeout", "backoff", "max_pictures"):
            if not getattr(self, name) > 0:
                raise UserError(f"{name} must be above 0, got {getattr(self, name)}")
        if self.retries < 0:
            raise UserError(f"retries must be 0 or more, got {self.retries}")

    @property
    def bases(self) -> tuple[str, ...]:
        """What the paths of a request are put behind."""
        return tuple(url.rstrip("/") for url in self.urls)


def _check_url(text: str) -> None:
    try:
        url = httpx2.URL(text)
    except httpx2.InvalidURL as error:
        raise UserError(f"{text!r} in urls is no web address: {error}") from error
    if url.scheme not in ("http", "https") or not url.host or url.query or url.fragment:
        raise UserError(f"urls are like http://127.0.0.1:8700, got {text!r}")
    if url.userinfo:
        raise UserError("a password has no place in urls, which are written into config.json; use token_env")
