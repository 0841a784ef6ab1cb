"""A reward that another process gives: one server, or several that give the same values, side by side.

Groups of pictures are spread over the servers in requests that never split a group. Nothing is connected to
before a name, a digest or a score is wanted. What the servers are is then held on to: a server that turns out
to be another reward, from the start or after a restart, is an error, not a number.

A request that stays without an answer, after retries, makes its pictures missing, with the reason. Where no
request of a call is answered, that is an error, so that a dead server is never written down as a measurement.

Axes: B rows (P prompts of G pictures each), H W pixels.
"""

import secrets
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Event, Lock

import httpx2
import torch
from jaxtyping import UInt8
from numpy import ndarray

from tessera.errors import RewardError, UserError
from tessera.rewards.remote.access import bearer, token_from
from tessera.rewards.remote.exchange import CONNECT_SECONDS, Line, NoAnswer
from tessera.rewards.remote.identity import Identity, check_digest, identify
from tessera.rewards.remote.limits import MIB
from tessera.rewards.remote.reply import decode_reply
from tessera.rewards.remote.request import CONTENT_TYPE, Header, encode_request
from tessera.rewards.remote.settings import RemoteReward
from tessera.tensors import Scores
from tessera.types import Prompt

IN_FLIGHT = 2  # requests per server: while one is scored, the next one travels and is unpacked


@dataclass(frozen=True, slots=True)
class Piece:
    """Whole groups of the pictures of one call: a request."""

    rows: slice
    ids: tuple[str, ...]


class Servers:
    """The servers of one reward, and what they said they are when first asked."""

    def __init__(self, settings: RemoteReward) -> None:
        self._settings, self._urls = settings, settings.bases
        self._met: tuple[Identity, ...] = ()
        self._meeting = Lock()

    def identity(self) -> Identity:
        """Returns what the servers are, which all of them agree on but for their limits."""
        return self._meet()[0]

    def name(self) -> str:
        """Returns what the servers call it; their addresses while none can be asked.

        A name is for messages, that of the failure among them: who wants a digest or a score is told why.
        """
        try:
            return self.identity().name
        except UserError:
            return " ".join(self._urls)

    def score(self, prompts: Sequence[Prompt], images_BHWC: UInt8[ndarray, "B H W 3"], group: int) -> Scores:
        """Returns the scores of all pictures; `group` of them belong to each prompt."""
        known, call = self.identity(), secrets.token_hex(4)
        # Ids are new in every call, so that no reply can be taken for that of another.
        ids = tuple(f"{call}-{row}" for row, _ in enumerate(zip(prompts, images_BHWC, strict=True)))
        if not ids:
            return _joined([], [], 0, known.digest)
        pieces = self._pieces(ids, images_BHWC[0].nbytes, group)
        stopped = Event()

        def ask(number: int) -> Scores | NoAnswer:
            rows = pieces[number].rows
            header = Header(
                ids=pieces[number].ids, prompts=tuple(prompts[rows]), group=group, digest=known.digest
            )
            first = number % len(self._urls)
            urls = [*self._urls[first:], *self._urls[:first]]
            try:
                url, reply = line.ask(urls, "/score", encode_request(header, images_BHWC[rows]), CONTENT_TYPE)
            except NoAnswer as error:
                return error
            scores = decode_reply(reply, header.ids, f"the reward server at {url}")
            check_digest(url, scores.digest, known.digest, "this run began with")
            return scores

        with (
            self._client() as http,
            ThreadPoolExecutor(IN_FLIGHT * len(self._urls), thread_name_prefix="remote") as pool,
        ):
            line = Line(http=http, settings=self._settings, stopped=stopped)
            asked = [pool.submit(ask, number) for number in range(len(pieces))]
            try:
                answers = [each.result() for each in asked]
            except BaseException:  # an answer that cannot be used, or Ctrl-C: nobody asks any further
                stopped.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        return _joined(pieces, answers, len(ids), known.digest)

    def _pieces(self, ids: Sequence[str], picture_bytes: int, group: int) -> list[Piece]:
        """Returns requests of whole groups, about as many for each server, none larger than any takes."""
        limits = [met.limits for met in self._meet()]
        room = min(each.picture_bytes for each in limits) // picture_bytes
        most = min(self._settings.max_pictures, room, *(each.pictures for each in limits))
        if most < group:
            raise RewardError(
                f"a group of {group} pictures is judged as a whole, and a request to {', '.join(self._urls)} "
                f"holds {most} pictures of {picture_bytes / MIB:.2f} MiB; raise max_pictures here, or "
                "--pictures and --megabytes of the server, or draw smaller groups"
            )
        groups = -(-len(ids) // group)
        size = min(most // group, -(-groups // len(self._urls))) * group
        spans = [slice(first, first + size) for first in range(0, len(ids), size)]
        return [Piece(span, tuple(ids[span])) for span in spans]

    def _meet(self) -> tuple[Identity, ...]:
        """Returns what each server is; asks them once."""
        with self._meeting:
            if not self._met:
                with self._client() as http:
                    line = Line(http=http, settings=self._settings, stopped=Event())
                    met = tuple(identify(line, url) for url in self._urls)
                expected, whose = self._settings.digest, "`digest` expects"
                for url, identity in zip(self._urls, met, strict=True):
                    check_digest(url, identity.digest, expected or identity.digest, whose)
                    expected, whose = identity.digest, f"{self._urls[0]} serves"
                self._met = met
            return self._met

    def _client(self) -> httpx2.Client:
        settings = self._settings
        token = token_from(settings.token_env)
        return httpx2.Client(
            headers={} if token is None else {"Authorization": bearer(token)},
            timeout=httpx2.Timeout(settings.timeout, connect=min(CONNECT_SECONDS, settings.timeout)),
            limits=httpx2.Limits(max_connections=None),
            trust_env=False,  # pictures and token go to the servers named, not through a proxy
            # What TLS needs takes 25 ms to read, and plain HTTP need not wait for it.
            verify=any(url.startswith("https:") for url in self._urls),
        )


def _joined(pieces: Sequence[Piece], answers: Sequence[Scores | NoAnswer], count: int, digest: str) -> Scores:
    """Returns the scores of all pictures; those of a request without an answer are missing."""
    given = [answer for answer in answers if isinstance(answer, Scores)]
    if answers and not given:
        raise NoAnswer(
            f"{answers[0]}; see what the server says, or start it again with tessera serve-reward, and go on "
            "with --resume: no number was made up for what it did not answer"
        )
    if len({frozenset(answer.parts) for answer in given}) > 1:
        raise RewardError("servers of one reward gave different parts; run the same version on all of them")
    value_B = torch.full((count,), torch.nan, dtype=torch.float64)
    parts = {name: torch.full_like(value_B, torch.nan) for name in (given[0].parts if given else ())}
    reasons = [""] * count
    for piece, answer in zip(pieces, answers, strict=True):
        if isinstance(answer, NoAnswer):
            reasons[piece.rows] = [str(answer)] * len(piece.ids)
            continue
        value_B[piece.rows] = answer.value_B
        reasons[piece.rows] = answer.reasons
        for name, part_B in answer.parts.items():
            parts[name][piece.rows] = part_B
    return Scores(value_B=value_B, reasons=tuple(reasons), digest=digest, parts=parts)


@dataclass(frozen=True, slots=True)
class RemoteScorer:
    """The servers as an instrument: each picture by itself."""

    servers: Servers

    @property
    def name(self) -> str:
        """As in messages."""
        return self.servers.name()

    def score(self, prompts: Sequence[Prompt], images_BHWC: UInt8[ndarray, "B H W 3"]) -> Scores:
        """Returns a value per picture."""
        return self.servers.score(prompts, images_BHWC, 1)

    def digest(self) -> str:
        """Returns the digest of what is served."""
        return self.servers.identity().digest


@dataclass(frozen=True, slots=True)
class Remote:
    """The servers as a reward: groups reach them whole."""

    servers: Servers

    @property
    def name(self) -> str:
        """As in messages."""
        return self.servers.name()

    def score(self, prompts: Sequence[Prompt], images_BHWC: UInt8[ndarray, "B H W 3"], group: int) -> Scores:
        """Returns a value per picture."""
        return self.servers.score(prompts, images_BHWC, group)

    def digest(self) -> str:
        """Returns the digest of what is served."""
        return self.servers.identity().digest
