"""Policies by name, by folder or by their settings: what `--policy` accepts everywhere.

    mosaic, mosaic-blind                       shipped
    janus-pro-1b, janus-pro-7b, emu3           published weights, from the hub's cache or the hub
    llamagen-t2i-xl-256, ...                   likewise (policies/llamagen/published.py)
    random:janus-pro-7b, random:llamagen-...   the published sizes with random weights: to measure cost
    random:janus-tiny, random:llamagen-tiny, random:emu3-tiny
                                               the same classes at sizes for one core (policies/tiny.py)
    FOLDER                                     a policy folder, a checkpoint, a run folder (its last complete
                                               checkpoint), or a model as transformers saves it

A policy folder has `policy.json` (its kind and settings) and its weights. A family is imported when one of it
is asked for: transformers takes seconds.
"""

from importlib.resources import as_file, files
from pathlib import Path

from tessera.errors import CheckpointError, UserError, unknown
from tessera.hub import read_object
from tessera.policies.base import PolicyModule
from tessera.policies.emu3.config import Emu3Config
from tessera.policies.janus.config import JanusConfig
from tessera.policies.layout import CHECKPOINTS, SETTINGS, last_checkpoint
from tessera.policies.llamagen.files import PUBLISHED, LlamaGenFiles
from tessera.policies.mosaic.blind import blinded
from tessera.policies.mosaic.policy import MosaicPolicy
from tessera.policies.saved import read_saved
from tessera.policies.settings import NAMED, SHIPPED, PolicyConfig
from tessera.policies.tiny import TINY, tiny_policy

RANDOM = "random:"
TRANSFORMERS = "config.json"  # of a folder as transformers saves models
SEED = 0  # of random weights


def load_policy(settings: PolicyConfig) -> PolicyModule:
    """Returns the policy that is meant, on the CPU, in evaluation mode."""
    match settings:
        case JanusConfig():
            from tessera.policies.janus.load import load_janus  # noqa: PLC0415 - see the head

            return load_janus(settings)
        case Emu3Config():
            from tessera.policies.emu3.load import load_emu3  # noqa: PLC0415 - likewise

            return load_emu3(settings)
        case LlamaGenFiles():
            from tessera.policies.llamagen.load import load_files  # noqa: PLC0415 - likewise

            return load_files(settings)
        case str(name) if name in SHIPPED:
            shipped = read_shipped()
            return blinded(shipped) if name == "mosaic-blind" else shipped
        case str(name) if name in NAMED:
            return load_policy(NAMED[name])
        case str(name) if name in PUBLISHED:
            from tessera.policies.llamagen.load import load_published  # noqa: PLC0415 - likewise

            return load_published(name)
        case str(name) if name.startswith(RANDOM):
            return random_policy(name.removeprefix(RANDOM))
        case str(name):
            return _in_folder(name)


def read_shipped() -> MosaicPolicy:
    """Returns the embedded policy."""
    with as_file(files("tessera.policies.mosaic") / "assets") as folder:
        return read_mosaic(folder)


def read_mosaic(folder: Path) -> MosaicPolicy:
    """Returns an embedded policy that was saved in a folder."""
    policy = read_saved(folder)
    if not isinstance(policy, MosaicPolicy):
        raise UserError(f"{folder} holds a policy of another kind than mosaic: {policy.spec.name}")
    return policy


def random_policy(name: str) -> PolicyModule:
    """Returns a policy of the published sizes, or a tiny one, that draws noise."""
    match name:
        case "janus-pro-1b" | "janus-pro-7b":
            from tessera.policies.janus.published import random_janus  # noqa: PLC0415 - likewise

            return random_janus("1b" if name == "janus-pro-1b" else "7b", seed=SEED)
        case "emu3":
            from tessera.policies.emu3.published import random_emu3  # noqa: PLC0415 - likewise

            return random_emu3(seed=SEED)
        case name if name in PUBLISHED:
            from tessera.policies.llamagen.load import random_published  # noqa: PLC0415 - likewise

            return random_published(name, seed=SEED)
        case name if name in TINY:
            return tiny_policy(name)
        case _:
            raise UserError(unknown("policy of random weights", name, (*NAMED, *PUBLISHED, *TINY)))


def _in_folder(name: str) -> PolicyModule:
    folder = Path(name)
    if not folder.exists():
        known = (*SHIPPED, *NAMED, *PUBLISHED)
        raise UserError(f"{unknown('policy', name, known)} A folder of that name does not exist either")
    if (folder / CHECKPOINTS).is_dir():
        checkpoint = last_checkpoint(folder)
        if checkpoint is None:
            raise CheckpointError(f"{folder} has no complete checkpoint yet; let the run reach its first one")
        return read_saved(checkpoint)
    if not (folder / SETTINGS).is_file() and (folder / TRANSFORMERS).is_file():
        return load_policy(_family(folder))
    return read_saved(folder)


def _family(folder: Path) -> PolicyConfig:
    """Returns the settings of a model that transformers saved, or its authors in their own layout."""
    path = folder / TRANSFORMERS
    kind = read_object(path).get("model_type")
    match kind:
        case "janus" | "multi_modality":
            return JanusConfig(weights=str(folder))
        case "emu3" | "Emu3":
            return Emu3Config(weights=str(folder))
        case _:
            raise CheckpointError(
                f"{path} is of the kind {kind!r}; policies are janus, its original multi_modality, and emu3"
            )
