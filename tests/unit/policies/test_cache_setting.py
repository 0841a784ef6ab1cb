"""Whose cache may round, and what is said to those that ask for it elsewhere."""

import pytest

from tessera.config import config, from_plain
from tessera.errors import UserError
from tessera.policies.emu3.config import Emu3Config
from tessera.policies.janus.config import JanusConfig
from tessera.policies.llamagen.files import LlamaGenFiles
from tessera.policies.saved import SavedMosaic
from tessera.policies.settings import NAMED, PolicyFamily


@config
class Chosen:
    """As a run has it."""

    model: PolicyFamily | None = None


FILES = {"gpt": "gpt.pt", "vq": "vq.pt", "image_size": 256}


@pytest.mark.parametrize(
    ("kind", "cls", "needed"),
    [("janus", JanusConfig, {}), ("emu3", Emu3Config, {}), ("llamagen", LlamaGenFiles, FILES)],
)
def test_every_outside_family_takes_it_and_none_has_it_unasked(
    kind: str, cls: type, needed: dict[str, object]
) -> None:
    for form in ("full", "int8"):
        chosen = from_plain(Chosen, {"model": {"kind": kind, "cache": form, **needed}}, where="--set").model
        assert isinstance(chosen, cls)
        assert isinstance(chosen, JanusConfig | Emu3Config | LlamaGenFiles)
        assert chosen.cache == form
    assert cls(**needed).cache == "full"
    assert all(settings.cache == "full" for settings in NAMED.values())


def test_another_form_is_refused_with_those_there_are() -> None:
    with pytest.raises(UserError, match=r"--set: model\.janus\.cache: Input should be 'full' or 'int8'"):
        from_plain(Chosen, {"model": {"kind": "janus", "cache": "int4"}}, where="--set")


def test_mosaic_has_no_such_setting() -> None:
    with pytest.raises(UserError, match=r"'janus', 'llamagen', 'emu3'"):
        from_plain(Chosen, {"model": {"kind": "mosaic", "cache": "int8"}}, where="--set")
    with pytest.raises(UserError, match=r"unknown key 'mosaic\.cache'"):
        from_plain(SavedMosaic, {"kind": "mosaic", "mosaic": {"cache": "int8"}}, where="policy.json")
