"""Weights of outside models: where they live, on which terms, and how they are read.

Read are safetensors, and torch files with `weights_only`; no code of a checkpoint ever runs. What is missing
in a checkpoint is an error: a model whose head was left as it was made scores noise without a word.
"""

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from pickle import UnpicklingError  # noqa: TID251 - what torch.load raises; nothing is unpickled
from typing import Any, TypeVar

import torch
from huggingface_hub import model_info, snapshot_download
from huggingface_hub.errors import GatedRepoError, HFValidationError, HTTPError, LocalEntryNotFoundError
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import Module

from tessera.errors import CheckpointError

SHARDS = ".index.json"  # ends the name of a list of shards
# A model as transformers saves it: one of these holds the weights, or lists the files that do.
SAVED = (
    "model.safetensors",
    f"model.safetensors{SHARDS}",
    "pytorch_model.bin",
    f"pytorch_model.bin{SHARDS}",
)

ModelT = TypeVar("ModelT", bound=Module)


@dataclass(frozen=True, kw_only=True, slots=True)
class Home:
    """Where weights are published. `files` must all be there; of alternatives joined by `|`, one."""

    repo: str  # on the hub
    files: tuple[str, ...]
    licence: str  # "not stated" where nobody says

    def patterns(self, there: Collection[str] | None) -> list[str]:
        """Returns what to fetch: the files, of alternatives the first that is there, and a list's shards.

        `there` are the files of the repository; None: nobody can tell, and any alternative will do.
        """
        names = []
        for each in self.files:
            known = each.split("|") if there is None else [name for name in each.split("|") if name in there]
            names += known if there is None else known[:1]
        shards = {f"*{Path(name.removesuffix(SHARDS)).suffix}" for name in names if name.endswith(SHARDS)}
        return [*names, *sorted(shards)]

    def lacks(self, folder: Path) -> list[str]:
        """Returns what a folder does not hold."""
        return [each for each in self.files if not any((folder / name).is_file() for name in each.split("|"))]


def locate(home: Home, given: str | None, setting: str) -> Path:
    """Returns the folder that holds the files: `given` (a folder, or another hub id), else from the hub.

    `setting` is how a user names the folder; the error says it. Nothing is fetched where HF_HUB_OFFLINE=1.
    """
    repo = home.repo
    if given is not None:
        folder = Path(given).expanduser()
        if folder.is_dir():
            if lacking := home.lacks(folder):
                raise CheckpointError(f"{folder} lacks {_listed(lacking)}; {_where(home, setting)}")
            return folder
        if folder.exists() or given.count("/") != 1:
            raise CheckpointError(f"{setting}={given} is no folder and no hub id; {_where(home, setting)}")
        repo = given
    try:
        folder = Path(snapshot_download(repo, allow_patterns=home.patterns(_files_of(repo))))
    except GatedRepoError as error:
        raise CheckpointError(
            f"{repo} asks for a login and its terms to be accepted first (`hf auth login`); "
            f"{_where(home, setting)}"
        ) from error
    except (LocalEntryNotFoundError, HTTPError, HFValidationError, OSError) as error:
        raise CheckpointError(
            f"{_listed(home.files)} of {repo} is not on this machine and could not be fetched; "
            f"{_where(home, setting)}"
        ) from error
    if lacking := home.lacks(folder):
        raise CheckpointError(f"{repo} lacks {_listed(lacking)}; {_where(home, setting)}")
    return folder


def _files_of(repo: str) -> list[str] | None:
    """Returns the files of a repository, None where the hub cannot be asked."""
    try:
        told = model_info(repo, timeout=10)  # asks once; listing the files would ask for half a minute
    except (HTTPError, HFValidationError, OSError):
        return None
    return [each.rfilename for each in told.siblings or ()]


def found(home: Home, folder: Path) -> list[Path]:
    """Returns the files of the home that are in the folder, shards included, in a fixed order."""
    there = {folder / name for each in home.files for name in each.split("|") if (folder / name).is_file()}
    shards = {folder / name for path in there if path.name.endswith(SHARDS) for name in _shards(path)}
    return sorted(there | shards)


def read_state(path: Path) -> dict[str, Tensor]:
    """Returns the tensors of a file by name, on the CPU; of a list of shards, those of all of them."""
    if path.name.endswith(SHARDS):
        return {key: value for name in _shards(path) for key, value in read_state(path.parent / name).items()}
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        loaded = torch.load(path, map_location="cpu", weights_only=True, mmap=True)  # noqa: TID251 - weights only
    except FileNotFoundError as error:
        raise CheckpointError(f"{path} is missing; copy the whole checkpoint again") from error
    except (SafetensorError, RuntimeError, ValueError, EOFError, OSError) as error:
        raise CheckpointError(f"{path} cannot be read ({error}); copy it again") from error
    except UnpicklingError as error:
        raise CheckpointError(
            f"{path} holds more than weights, and is not read: it could run code. Save its state_dict alone"
        ) from error
    return _tensors_of(loaded, path)


def _tensors_of(loaded: object, path: Path) -> dict[str, Tensor]:
    """Returns the tensors of a loaded torch file, which may keep them under `state_dict` or `model`."""
    for key in ("state_dict", "model"):
        if isinstance(loaded, Mapping) and isinstance(loaded.get(key), Mapping):
            loaded = loaded[key]
    if not isinstance(loaded, Mapping):
        raise CheckpointError(f"{path} holds {type(loaded).__name__} where tensors by name are expected")
    return {str(key): value for key, value in loaded.items() if isinstance(value, Tensor)}


def read_object(path: Path) -> dict[str, Any]:
    """Returns the JSON object of a file that lies beside weights."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CheckpointError(f"{path} is no JSON ({error}); copy it again") from error
    if not isinstance(told, dict):
        raise CheckpointError(f"{path} holds no JSON object")
    return told


def fill(model: ModelT, state: Mapping[str, Tensor], where: str, ignore: Iterable[str] = ()) -> ModelT:
    """Returns the model with these weights; every one must be there and fit.

    `ignore` are beginnings of names that the checkpoint has and this model does without.
    """
    wanted, ignored = model.state_dict(), tuple(ignore)
    given = {
        key: value for key, value in state.items() if key in wanted or not key.startswith(ignored or "\0")
    }
    for key in (*wanted, *given):
        shape, expected = (tuple(each[key].shape) if key in each else None for each in (given, wanted))
        if shape != expected:
            raise CheckpointError(
                f"{where}: {key} has shape {shape or 'none'}, {type(model).__name__} needs "
                f"{expected or 'none'}: these are the weights of another model, or of another size of it"
            )
    model.load_state_dict(given)
    return model


def pretrained(cls: Any, folder: Path, **settings: Any) -> Any:
    """Returns `cls.from_pretrained` of a folder, in evaluation mode and without gradients.

    transformers fills what a checkpoint lacks with random numbers and a warning; here it is an error.
    """
    try:
        model, told = cls.from_pretrained(
            folder, local_files_only=True, output_loading_info=True, trust_remote_code=False, **settings
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:  # RuntimeError: another size
        raise CheckpointError(f"{folder} cannot be loaded as {cls.__name__} ({error})") from error
    wrong = [*sorted(told["missing_keys"]), *(str(each[0]) for each in told["mismatched_keys"])]
    if wrong:
        more = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        raise CheckpointError(
            f"{folder} lacks {wrong[0]}{more} of {cls.__name__}: these are the weights of another model"
        )
    return model.eval().requires_grad_(False)


def files_digest(paths: Iterable[Path]) -> str:
    """Returns a hash of files, by name and content; of a file that has not changed it is kept."""
    total = hashlib.blake2b(digest_size=16)
    for path in paths:
        told = path.stat()
        total.update(f"{path.name} {_file_digest(path, told.st_size, told.st_mtime_ns)}\n".encode())
    return total.hexdigest()


@cache
def _file_digest(path: Path, size: int, changed: int) -> str:  # noqa: ARG001 - another size is another file
    total = hashlib.blake2b(digest_size=16)
    with path.open("rb") as file:
        for piece in _pieces(lambda: file.read(1 << 24)):
            total.update(piece)
    return total.hexdigest()


def _pieces(read: Callable[[], bytes]) -> Iterator[bytes]:
    while piece := read():
        yield piece


def _shards(path: Path) -> list[str]:
    """Returns the files that a list of shards names; they lie beside it."""
    try:
        names = set(json.loads(path.read_text(encoding="utf-8"))["weight_map"].values())
    except (json.JSONDecodeError, KeyError, AttributeError) as error:
        raise CheckpointError(f"{path} is no list of shards ({error}); copy it again") from error
    if outside := [name for name in names if Path(name).name != name]:
        raise CheckpointError(f"{path} names {outside[0]!r}, which does not lie beside it; it is not read")
    return sorted(names)


def _where(home: Home, setting: str) -> str:
    return (
        f"get {_listed(home.files)} from https://huggingface.co/{home.repo} (licence: {home.licence}), "
        f"put it in a folder and name that: {setting}=FOLDER"
    )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(name.replace("|", " or ") for name in names)
