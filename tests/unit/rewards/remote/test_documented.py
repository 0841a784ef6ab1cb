"""The defaults that docs/remote.md names are those of the settings, and none is left out."""

import dataclasses
import re

from tessera.rewards.remote.limits import HEADER_BYTES, MIB, Limits
from tessera.rewards.remote.settings import RemoteReward
from tests.architecture.source_tree import REPO

PAGE = (REPO / "docs" / "remote.md").read_text(encoding="utf-8")


def defaults(settings: type) -> dict[str, str]:
    """Returns the defaults as the page writes them; unset ones are empty."""
    return {
        field.name: "" if field.default in (None, dataclasses.MISSING) else f"{field.default:g}"
        for field in dataclasses.fields(settings)
        if field.name != "kind"
    }


def test_every_limit_stands_there_with_its_default() -> None:
    told = {
        flag.replace("-", "_"): value for flag, value in re.findall(r"^\| `--(\S+)` \| (\d+)", PAGE, re.M)
    }
    assert told == defaults(Limits)
    assert f"prompts may take {HEADER_BYTES // MIB} of them" in PAGE


def test_every_setting_stands_there_with_its_default() -> None:
    assert dict(re.findall(r"^\| `([a-z_]+)` \| ([\d.]*)", PAGE, re.M)) == defaults(RemoteReward)
