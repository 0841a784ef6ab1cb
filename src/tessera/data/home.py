"""The data directory: where data of outside projects lives, and whether it is whole.

It is named by `--data-dir`, else by TESSERA_DATA, else it is ~/.cache/tessera/data. Inside, each data set has
a folder (`catalogue.py`). Nothing is fetched but by `tessera data get`.

Files that are missing are an error. Files that differ from what was published are read and told of: somebody
may have mended a prompt, and then every number says so.
"""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tessera.data.catalogue import DataFile, dataset
from tessera.errors import UserError

DATA_VARIABLE = "TESSERA_DATA"
DEFAULT = Path("~/.cache/tessera/data")


@dataclass(frozen=True, kw_only=True, slots=True)
class State:
    """How much of a data set is there."""

    missing: tuple[str, ...]
    changed: tuple[str, ...]  # there, with another content than was published

    @property
    def whole(self) -> bool:
        """Whether all is there as published."""
        return not (self.missing or self.changed)


def data_dir(given: Path | None = None) -> Path:
    """Returns the data directory, which need not exist."""
    told = os.environ.get(DATA_VARIABLE)
    return (given or Path(told or DEFAULT)).expanduser()


def find(name: str, data: Path | None = None) -> Path:
    """Returns the folder of a data set whose files are all there; `data` is the data directory, if given."""
    wanted, root = dataset(name), data_dir(data)
    folder = root / wanted.folder
    missing = [each.path for each in wanted.files if not (folder / each.path).is_file()]
    if missing:
        raise UserError(
            f"{folder} lacks {listed(missing)}; fetch it (tessera data get {name}), copy it there from "
            f"{wanted.home}, or name the directory that has {wanted.folder}/: --data-dir or {DATA_VARIABLE}"
        )
    return folder


def note(name: str, data: Path | None = None) -> str:
    """Returns what to print beside every result made with a data set that was changed; "" if it was not."""
    wanted = dataset(name)
    changed = state(wanted.files, data_dir(data) / wanted.folder).changed
    if not changed:
        return ""
    differs = "differs" if len(changed) == 1 else "differ"
    return f"{name}: {listed(changed)} {differs} from what {wanted.repo} publishes."


def state(files: Sequence[DataFile], folder: Path) -> State:
    """Returns which of the files a folder lacks, and which have another content."""
    there = [each for each in files if (folder / each.path).is_file()]
    return State(
        missing=tuple(each.path for each in files if each not in there),
        changed=tuple(each.path for each in there if not verified(each, folder / each.path)),
    )


def verified(file: DataFile, path: Path) -> bool:
    """Returns whether a file has the content that was published."""
    try:
        if path.stat().st_size != file.size:
            return False
        return hashlib.sha256(path.read_bytes()).hexdigest() == file.sha256
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error


def listed(names: Sequence[str]) -> str:
    """Returns the first name, and how many more there are."""
    more = len(names) - 1
    return names[0] + (f" and {more} more file{'s' if more > 1 else ''}" if more else "")
