"""What a reward server says of itself, and whether that is the reward that is meant."""

from tessera.config import config
from tessera.errors import RewardError, UserError
from tessera.rewards.remote.exchange import Line, NoAnswer
from tessera.rewards.remote.limits import Limits
from tessera.rewards.remote.plain import from_json
from tessera.rewards.remote.request import VERSION


@config
class Identity:
    """The answer of /health."""

    name: str
    digest: str
    version: str  # of Tessera
    wire: int  # the format of requests
    busy: bool
    limits: Limits


def identify(line: Line, url: str) -> Identity:
    """Returns what the server at this address is."""
    try:
        _, text = line.ask([url], "/health")
    except NoAnswer as error:
        raise RewardError(
            f"the reward server cannot be reached: {error}; start it with tessera serve-reward --scorer NAME "
            "--port PORT, or correct its address in urls"
        ) from error
    try:
        identity = from_json(Identity, text, url)
    except UserError as error:
        raise RewardError(
            f"what answers at {url} is no reward server of this version ({error}); put the address that "
            "tessera serve-reward printed into urls"
        ) from error
    if identity.wire != VERSION:
        raise RewardError(
            f"the reward server at {url}, Tessera {identity.version}, speaks format {identity.wire}, not "
            f"{VERSION} as this version does; install the same one at both ends"
        )
    return identity


def check_digest(url: str, found: str, expected: str, whose: str) -> None:
    """Refuses a server that serves another reward than expected; `whose` says where that is known from."""
    if found != expected:
        raise RewardError(
            f"the server at {url} serves a reward of digest {found!r}, and {whose} {expected!r}: numbers of "
            "two instruments do not mix; serve the same reward, with the same settings and weights"
        )
