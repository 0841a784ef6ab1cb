"""One question to one of several servers: asked again where asking again may help, and bounded in all."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Event
from time import monotonic

import httpx2

from tessera.errors import RewardError
from tessera.rewards.remote.limits import MIB
from tessera.rewards.remote.plain import SAID
from tessera.rewards.remote.settings import RemoteReward

MAX_REPLY_BYTES = 64 * MIB
CONNECT_SECONDS = 5.0  # to reach a server at all, or the whole time-out where that is shorter
MAX_WAIT = 30.0  # seconds before any retry, whatever the back-off or the server says


class NoAnswer(RewardError):  # noqa: N818 - what happened, not whose fault it is
    """No server gave scores, although it was asked as often as allowed."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Why an attempt gave nothing, where another one may."""

    what: str
    wait: float = 0.0  # seconds that the server asks for


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """A way to the servers of one reward."""

    http: httpx2.Client
    settings: RemoteReward
    stopped: Event  # set where no further attempt is wanted

    def ask(
        self, urls: Sequence[str], path: str, body: bytes | None = None, content_type: str = ""
    ) -> tuple[str, bytes]:
        """Returns which server answered, and its answer; attempt by attempt the next server in turn.

        What is no fault of the way or of the server (4xx) is a `RewardError` at once.
        """
        faults: list[str] = []
        for attempt in range(1 + self.settings.retries):
            url = urls[attempt % len(urls)]
            answer = self._attempt(url + path, body, content_type)
            if isinstance(answer, bytes):
                return url, answer
            faults.append(f"{url}: {answer.what}")
            wait = max(answer.wait, self.settings.backoff * 2**attempt)
            if attempt < self.settings.retries and self.stopped.wait(min(wait, MAX_WAIT)):
                break
        raise NoAnswer(f"no answer after {len(faults)} attempts, the last at {faults[-1]}")

    def _attempt(self, url: str, body: bytes | None, content_type: str) -> bytes | Fault:
        end = monotonic() + self.settings.timeout
        headers = {"Content-Type": content_type} if content_type else {}
        try:
            with self.http.stream(
                "GET" if body is None else "POST", url, content=body, headers=headers
            ) as reply:
                text = bytearray()
                for piece in reply.iter_raw():
                    text += piece
                    if len(text) > MAX_REPLY_BYTES:
                        raise RewardError(f"{url} gave a reply of more than {MAX_REPLY_BYTES // MIB} MiB")
                    if monotonic() > end:  # a server may also be slow bit by bit
                        return self._too_slow()
                return self._judged(url, reply.status_code, reply.headers, bytes(text))
        except httpx2.TimeoutException:
            return self._too_slow()
        except httpx2.TransportError as error:
            return Fault(str(error) or type(error).__name__)

    def _too_slow(self) -> Fault:
        return Fault(f"nothing within {self.settings.timeout:g} s")

    def _judged(self, url: str, status: int, headers: Mapping[str, str], text: bytes) -> bytes | Fault:
        if status == 200:
            return text
        said = f"{status}: {_sentence(text)}"
        if status >= 500:
            wait = headers.get("retry-after", "")
            return Fault(said, float(wait) if wait.isdecimal() else 0.0)
        raise RewardError(f"the reward server at {url} refused: {said}")


def _sentence(text: bytes) -> str:
    """Returns what an answer that is no scores says, whoever wrote it."""
    try:
        return str(json.loads(text)["error"])[:SAID]
    except (ValueError, RecursionError, TypeError, KeyError):
        return text[:SAID].decode(errors="replace").strip() or "nothing more said"
