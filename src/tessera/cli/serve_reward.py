"""`tessera serve-reward`: a scorer or a reward behind HTTP, until it is stopped."""

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tessera.cli.common import parse_flags, positive
from tessera.errors import UserError
from tessera.rewards.remote.limits import Limits

if TYPE_CHECKING:
    from tessera.protocols import Reward

EXAMPLE = "strict_weight=1.0"
SERVED = ("starlette", "uvicorn")  # the modules of the extra `serve`


@dataclass(frozen=True, kw_only=True)
class Flags:
    """Serve a scorer or a reward by HTTP, so that runs elsewhere can learn from it (docs/remote.md).

    POST /score, GET /health, GET /metrics. On this machine alone unless a token is given. It serves until
    Ctrl-C.

    Example: tessera serve-reward --scorer unified --port 8700
    """

    scorer: str | None = None
    """preference, regressor, unified, orm, metric, noise, or your own module:function"""
    config: Path | None = None
    """instead of --scorer: a TOML file with a table [reward], as of `tessera train`; also sums of scorers"""
    set: tuple[str, ...] = ()
    """settings of the scorer, KEY=VALUE: strict_weight=1.0"""
    host: str = "127.0.0.1"
    """address to listen on; another than this machine's own needs a token"""
    port: int = 8700
    """0 takes a free one, and prints which"""
    token_env: str | None = None
    """environment variable that holds the token which clients must send"""
    token_file: Path | None = None
    """file that holds it"""
    limits: Limits = field(default_factory=Limits)
    """what one request may be"""
    threads: int = 1
    """threads of a CPU; more than one pays only on an idle machine"""
    json: bool = False
    """print one JSON object on standard output, when it serves, and nothing else"""


def run(arguments: Sequence[str]) -> int:
    """Runs the command; returns the exit code."""
    flags = parse_flags(Flags, "serve-reward", arguments)

    import torch

    from tessera.rewards.remote.access import check_host, token_from

    try:
        from tessera.rewards.remote.server import Service, address, http_server, listen
    except ModuleNotFoundError as error:
        if error.name not in SERVED:
            raise
        raise UserError("serving needs the extra `serve`: pip install 'tessera-rl[serve]'") from error

    torch.set_num_threads(positive("threads", flags.threads))
    token = token_from(flags.token_env, flags.token_file)
    check_host(flags.host, token)
    reward = reward_of(flags)
    service = Service(reward, flags.limits, token)
    with listen(flags.host, flags.port) as listener:
        url = address(listener)
        told = {"url": url, "name": reward.name, "digest": reward.digest()}
        needed = f" reward.token_env={flags.token_env or 'NAME'}" if token else ""
        lines = (
            f"Serving {reward.name} (digest {reward.digest()}) at {url}; Ctrl-C stops it.",
            f"Learn from it: tessera train mosaic-grpo --set reward.kind=remote 'reward.urls=[\"{url}\"]'"
            f"{needed} --out runs/remote",
        )
        print(json.dumps(told) if flags.json else "\n".join(lines), flush=True)
        try:
            with suppress(KeyboardInterrupt):  # the way to stop it
                http_server(service).run(sockets=[listener])
        finally:
            service.close()
    return 0


def reward_of(flags: Flags) -> "Reward":
    """Returns the reward that the flags name."""
    from tessera.config import config, from_plain, merged, read_toml
    from tessera.rewards.load import RewardConfig, load_reward
    from tessera.rewards.named import scorer_settings

    @config
    class Served:
        reward: RewardConfig

    if (flags.scorer is None) is (flags.config is None):
        raise UserError("name what to serve: --scorer NAME, or --config FILE with a table [reward]; not both")
    if flags.config is None:
        return load_reward(scorer_settings(flags.scorer or "", flags.set))
    table = read_toml(flags.config).get("reward")
    if not isinstance(table, dict):
        raise UserError(f"{flags.config} has no table [reward], which says what to serve")
    data = merged(table, flags.set, EXAMPLE)
    return load_reward(from_plain(Served, {"reward": data}, where=str(flags.config)).reward)
