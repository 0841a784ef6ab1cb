"""A reward behind HTTP: POST /score, GET /health, GET /metrics.

Requests are read and unpacked side by side; one thread asks the reward, one request after another, so that no
two clients' pictures meet. What goes wrong with a request is its own answer, and the server lives on.
"""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import perf_counter

import torch
import uvicorn
from jaxtyping import UInt8
from numpy import ndarray
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from tessera import __version__
from tessera.config import to_plain
from tessera.errors import UserError
from tessera.protocols import Reward
from tessera.rewards.ask import ask
from tessera.rewards.remote.access import may_ask
from tessera.rewards.remote.limits import STATUS, Limits, Refusal
from tessera.rewards.remote.metrics import CONTENT_TYPE as METRICS_TYPE
from tessera.rewards.remote.metrics import Meter
from tessera.rewards.remote.plain import SAID
from tessera.rewards.remote.reply import encode_reply
from tessera.rewards.remote.request import CONTENT_TYPE, VERSION, Header, decode_request

RETRY_AFTER = 1  # seconds, told to a client that comes when the server is full
GRACE = 5  # seconds that requests get to finish when the server is stopped

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """A reply that is ready to go, and what it counts for."""

    body: bytes
    pictures: int
    missing: int
    seconds: float


class Service:
    """One reward, served."""

    def __init__(self, reward: Reward, limits: Limits, token: str | None = None) -> None:
        self._reward, self._limits, self._token = reward, limits, token
        self._name, self._digest = reward.name, reward.digest()  # once: a digest may hash large weights
        self._meter = Meter()
        self._busy = False
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="reward")

    def app(self) -> Starlette:
        """Returns it as an ASGI application."""
        return Starlette(
            routes=[
                Route("/score", self.score, methods=["POST"]),
                Route("/health", self._guarded(self._health)),
                Route("/metrics", self._guarded(self._metrics)),
            ]
        )

    def close(self) -> None:
        """Lets the thread go; what it is at is finished first."""
        self._worker.shutdown(wait=False, cancel_futures=True)

    def _guarded(self, answer: Callable[[], Response]) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            try:
                self._check_token(request)
            except Refusal as refusal:
                return refused(refusal)
            return answer()

        return endpoint

    def _health(self) -> Response:
        return JSONResponse(
            {
                "name": self._name,
                "digest": self._digest,
                "version": __version__,
                "wire": VERSION,
                "busy": self._busy,
                "limits": to_plain(self._limits),
            }
        )

    def _metrics(self) -> Response:
        return PlainTextResponse(self._meter.text(), media_type=METRICS_TYPE)

    async def score(self, request: Request) -> Response:
        """Returns the scores of the pictures in a request, or why there are none."""
        self._meter.began()
        try:
            answer = await self._answer(request)
        except Refusal as refusal:
            self._meter.failed(refusal.kind)
            return refused(refusal)
        except BaseException:  # a stopped server, or a fault of ours, which uvicorn tells
            self._meter.failed("crash")
            raise
        self._meter.done(answer.pictures, answer.missing, answer.seconds)
        return Response(answer.body, media_type="application/json")

    async def _answer(self, request: Request) -> Answer:
        self._check_token(request)
        if self._meter.in_flight > self._limits.concurrent:
            raise Refusal("busy", f"{self._limits.concurrent} requests are being served; come back later")
        try:
            async with asyncio.timeout(self._limits.seconds):
                body = await self._read(request)
                header, images_BHWC = await asyncio.to_thread(decode_request, body, self._limits)
                del body  # pictures may wait for a while, and need not wait twice
                if header.digest not in ("", self._digest):
                    raise Refusal(
                        "digest",
                        f"this is the reward {self._name!r} of digest {self._digest}, not {header.digest}",
                    )
                return await self._scored(request, header, images_BHWC)
        except TimeoutError as error:
            raise Refusal("slow", f"no scores after the {self._limits.seconds:g} s of a request") from error
        except ClientDisconnect as error:
            raise Refusal("gone", "the client went away while it sent") from error

    def _check_token(self, request: Request) -> None:
        if not may_ask(request.headers.get("authorization", ""), self._token):
            raise Refusal(
                "token", "this server wants its token; name the variable that holds it in `token_env`"
            )

    async def _read(self, request: Request) -> bytes:
        """Returns the body; stops at the bound, whatever length was announced, or none."""
        most = self._limits.request_bytes
        too_large = Refusal("size", f"a request may have {self._limits.megabytes} MiB; send fewer pictures")
        if request.headers.get("content-type") != CONTENT_TYPE:
            raise Refusal("format", f"a request is {CONTENT_TYPE}, and its Content-Type says so")
        if int(request.headers.get("content-length", 0)) > most:
            raise too_large
        body = bytearray()
        async for piece in request.stream():
            if len(body) + len(piece) > most:
                raise too_large
            body += piece
        return bytes(body)

    async def _scored(
        self, request: Request, header: Header, images_BHWC: UInt8[ndarray, "B H W 3"]
    ) -> Answer:
        """Returns the thread's answer; a client that no longer waits for it gives up its place in line."""
        # The thread takes the pictures out of here when it comes to them. Who gives up takes them out, too:
        # behind a reward that hangs, given-up requests would else pile up with all their pictures.
        waiting = [(header, images_BHWC)]
        work = asyncio.get_running_loop().run_in_executor(self._worker, self._ask, waiting)
        gone = asyncio.ensure_future(request.receive())  # after the body, only its end is left to come
        try:
            await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                raise Refusal("gone", "the client went away before its turn")
            return work.result()
        finally:
            work.cancel()
            gone.cancel()
            waiting.clear()

    def _ask(self, waiting: list[tuple[Header, UInt8[ndarray, "B H W 3"]]]) -> Answer:
        """Returns the reward's answer; in the one thread that asks it."""
        header, images_BHWC = waiting.pop()
        self._busy, start = True, perf_counter()
        try:
            scores = ask(self._reward, header.prompts, images_BHWC, header.group)
            return Answer(
                body=encode_reply(header.ids, scores),
                pictures=len(scores),
                missing=int(torch.isnan(scores.value_B).sum()),
                seconds=perf_counter() - start,
            )
        except UserError as error:
            raise Refusal("refused", str(error)) from error
        except (Exception, SystemExit) as error:  # other people's code ends here, sys.exit() included
            log.exception("the reward %s failed", self._name)
            what = " ".join(f"{type(error).__name__}: {error}".split())[:SAID]
            raise Refusal("crash", f"the reward {self._name!r} failed: {what}") from error
        finally:
            self._busy = False


def refused(refusal: Refusal) -> Response:
    """Returns the answer to a request that gets no scores."""
    # What is left of the request is not read, so the connection cannot be used again.
    headers = {"Connection": "close"}
    if refusal.kind == "busy":
        headers["Retry-After"] = str(RETRY_AFTER)
    if refusal.kind == "token":
        headers["WWW-Authenticate"] = "Bearer"
    words = {"error": str(refusal), "kind": refusal.kind}
    return JSONResponse(words, status_code=STATUS[refusal.kind], headers=headers)


def listen(host: str, port: int) -> socket.socket:
    """Returns a socket bound to the address; port 0 takes one that is free."""
    if not 0 <= port < 2**16:
        raise UserError(f"a port lies between 0 and {2**16 - 1}, got {port}")
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise UserError(
            f"cannot serve on {host}, port {port}: {error}; choose another --host or --port"
        ) from error


def address(listener: socket.socket) -> str:
    """Returns where a bound socket is asked from this machine."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def http_server(service: Service) -> uvicorn.Server:
    """Returns the server, whose `run(sockets=[...])` serves until it is stopped."""
    return uvicorn.Server(
        uvicorn.Config(
            service.app(),
            loop="asyncio",
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,  # the level below which it is silent is Python's own: warnings
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=GRACE,
        )
    )
