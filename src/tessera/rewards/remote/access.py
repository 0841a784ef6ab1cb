"""Who may ask a reward server: whoever is on this machine, or whoever has the token."""

import hmac
import ipaddress
import os
from pathlib import Path

from tessera.errors import UserError


def token_from(variable: str | None, file: Path | None = None) -> str | None:
    """Returns the token in an environment variable or a file; None where neither is named.

    A command line is no place for it: every process of the machine can read that.
    """
    if variable is not None and file is not None:
        raise UserError("a token comes from a variable or from a file, not from both; name one of them")
    if variable is not None:
        token, place = os.environ.get(variable, ""), f"the environment variable {variable}"
    elif file is not None:
        try:
            token, place = file.read_text(encoding="utf-8"), f"the file {file}"
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"the token cannot be read from {file}: {error}") from error
    else:
        return None
    token = token.strip()
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise UserError(
            f"{place} holds no token; put one word of plain letters and digits into it, for example what "
            "`openssl rand -hex 32` prints"
        )
    return token


def check_host(host: str, token: str | None) -> None:
    """Refuses to serve without a token where other machines can ask."""
    if token is None and not _is_loopback(host):
        raise UserError(
            f"serving on {host} lets every machine that reaches this one use the reward, so it needs a "
            "token: name a variable that holds one by --token-env, or a file by --token-file; or serve on "
            "127.0.0.1 and reach it through an ssh tunnel"
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:  # a name: only this one is known not to leave the machine
        return host == "localhost"


def bearer(token: str) -> str:
    """Returns the Authorization header of a token."""
    return f"Bearer {token}"


def may_ask(authorization: str, token: str | None) -> bool:
    """Returns whether the header carries the token; how long that takes says nothing about the token."""
    if token is None:
        return True
    return hmac.compare_digest(authorization.encode("latin-1", "replace"), bearer(token).encode())
