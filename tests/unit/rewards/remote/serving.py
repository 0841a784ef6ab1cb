"""Servers for tests: ours around any reward, and one that answers whatever a test wants."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Thread
from time import monotonic, sleep
from typing import Any

import httpx2
import numpy as np
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tessera.protocols import Reward
from tessera.rewards.custom import CustomReward, FunctionReward
from tessera.rewards.load import load_reward
from tessera.rewards.plain import Plain
from tessera.rewards.remote.limits import Limits
from tessera.rewards.remote.request import Header, decode_request
from tessera.rewards.remote.server import Service, address, http_server, listen
from tessera.rewards.remote.settings import RemoteReward
from tessera.types import Prompt

SIDE = 8
PATIENCE = 20.0  # seconds in which a server must be up, on a busy machine


@contextmanager
def serving(
    reward: Reward, *, limits: Limits | None = None, token: str | None = None, port: int = 0
) -> Iterator[str]:
    """Yields the address of a server around the reward, in a thread of this process."""
    service = Service(reward, limits or Limits(), token)
    with running(http_server(service), port) as url:
        yield url
    service.close()


@contextmanager
def running(server: uvicorn.Server, port: int = 0) -> Iterator[str]:
    """Yields the address of a server in a thread."""
    with listen("127.0.0.1", port) as listener:
        url = address(listener)
        thread = Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        end = monotonic() + PATIENCE
        while not server.started and monotonic() < end:
            sleep(0.01)
        try:
            yield url
        finally:
            server.should_exit = True
            thread.join()


@contextmanager
def answering(answer: Callable[[Header], Any], **health: Any) -> Iterator[str]:
    """Yields the address of a server that is not ours, which answers what the function makes of a request."""
    told = {
        "name": "foreign",
        "digest": "abc",
        "version": "0",
        "wire": 1,
        "busy": False,
        "limits": {},
        **health,
    }

    async def score(request: Request) -> Response:
        header, _ = decode_request(await request.body(), Limits())
        said = answer(header)
        return said if isinstance(said, Response) else Response(json.dumps(said), media_type="text/json")

    async def about(_: Request) -> Response:
        return JSONResponse(told)

    app = Starlette(routes=[Route("/score", score, methods=["POST"]), Route("/health", about)])
    config = uvicorn.Config(
        app, loop="asyncio", http="h11", ws="none", lifespan="off", log_config=None, access_log=False
    )
    with running(uvicorn.Server(config)) as url:
        yield url


def function_reward(function: Callable[..., Any], name: str = "tests:function") -> Reward:
    """Returns a function of prompts and pictures as a reward, under a name that makes its digest."""
    return Plain(FunctionReward(CustomReward(function=name), function))


def remote(*urls: str, **changes: Any) -> Reward:
    """Returns the reward behind the servers, asked with little patience."""
    settings: dict[str, Any] = {"timeout": 20.0, "retries": 0, "backoff": 0.01, **changes}
    return load_reward(RemoteReward(urls=urls, **settings))


def numbered(numbers: Sequence[int]) -> np.ndarray:
    """Returns pictures that each encode a number, among noise that is the same for all."""
    images = np.random.default_rng(0).integers(0, 256, (1, SIDE, SIDE, 3), dtype=np.uint8)
    images = np.repeat(images, len(numbers), axis=0)
    for image, number in zip(images, numbers, strict=True):
        image[0, 0] = (number >> 16 & 255, number >> 8 & 255, number & 255)
    return images


def read_number(prompts: Sequence[Prompt], images: np.ndarray) -> list[float]:
    """Returns the number in each picture, where the prompt says the same; else NaN."""
    pixels = images[:, 0, 0].astype(int)
    found = (pixels[:, 0] << 16 | pixels[:, 1] << 8 | pixels[:, 2]).tolist()
    return [
        float(n) if prompt.text == str(n) else float("nan") for prompt, n in zip(prompts, found, strict=True)
    ]


def prompts_of(numbers: Sequence[int]) -> list[Prompt]:
    """Returns a prompt per number."""
    return [Prompt(id=f"p{n}", text=str(n), metadata={"n": n}) for n in numbers]


def counts(url: str, **headers: str) -> dict[str, float]:
    """Returns the counts of a server's /metrics by name without prefix, failures by kind."""
    text = httpx2.get(f"{url}/metrics", headers=headers, trust_env=False).text
    rows = [line.split() for line in text.splitlines() if not line.startswith("#")]
    return {name.removeprefix("tessera_reward_"): float(value) for name, value in rows}
