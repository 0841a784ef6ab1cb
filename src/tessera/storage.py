"""Files that are whole or absent: atomic writes, output folders that get their name when they are finished.

A command works in `NAME.partial` and renames it to `NAME` at the end, so nothing half-written ever carries
the final name. `--resume` continues a partial folder made with the same settings. No torch here.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from safetensors import SafetensorError

from tessera.errors import OutputError

CONFIG = "config.json"
# Of a picture's compression: half the time of zlib's own 6, for pictures of mosaic that are 1 % larger.
PNG_LEVEL = 4
BLOCK = 1 << 16  # bytes read at once where a file is looked at from its end


def write_atomic(path: Path, data: bytes) -> None:
    """Writes a file under a temporary name beside it, then renames it."""
    with _renamed_to(path) as temporary:
        temporary.write_bytes(data)


@contextmanager
def _renamed_to(path: Path) -> Iterator[Path]:
    """Gives a temporary name beside a file, which becomes the file once it is written."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, value: object) -> None:
    """Writes indented JSON atomically; NaN is written as null, for JSON has no other word for it."""
    write_atomic(path, (json.dumps(_finite(value), indent=2) + "\n").encode())


def write_png(path: Path, image_HWC: NDArray[np.uint8]) -> None:
    """Writes a picture losslessly and whole, making its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    encoded = BytesIO()
    Image.fromarray(image_HWC).save(encoded, format="PNG", compress_level=PNG_LEVEL)
    write_atomic(path, encoded.getvalue())


def _finite(value: object) -> object:
    """Returns the value with NaN and infinities replaced by None."""
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value


def second_name(source: Path, target: Path) -> None:
    """Gives a file that never changes another name, or copies it where the disk has no such names."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Writes a whole file of rows atomically; no more than one of them need be in memory."""
    with _renamed_to(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(json.dumps(_finite(row)) + "\n" for row in rows)


def append_jsonl(path: Path, rows: list[dict[str, Any]]) -> None:
    """Appends one line per row and flushes it to the disk."""
    with path.open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(_finite(row)) + "\n" for row in rows)
        file.flush()
        os.fsync(file.fileno())


def read_jsonl(path: Path) -> Iterator[dict[str, Any]]:
    """Yields the rows of a file; none if it does not exist."""
    if not path.exists():
        return
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def drop_torn_line(path: Path) -> None:
    """Cuts off a last line that a kill left unfinished, so that appending goes on at a line's start."""
    if not path.exists():
        return
    size = whole = path.stat().st_size
    with path.open("rb") as file:
        while whole:  # looked at from its end, as it may be large
            start = max(0, whole - BLOCK)
            file.seek(start)
            found = file.read(whole - start).rfind(b"\n") + 1
            whole = start + found
            if found:
                break
    if whole < size:
        os.truncate(path, whole)


@dataclass(frozen=True, slots=True)
class OutputFolder:
    """A folder under construction at `work`; `finish` gives it its final name."""

    final: Path
    work: Path
    done: bool  # the final folder exists already, made with the same settings

    @staticmethod
    def open(path: Path, settings: Mapping[str, Any], *, resume: bool) -> "OutputFolder":
        """Returns the folder, ready to be written to; raises an `OutputError` if it must not be touched."""
        final = path.absolute()
        work = final.with_name(final.name + ".partial")
        try:
            if final.is_dir() and any(final.iterdir()):
                if not resume:
                    raise OutputError(
                        f"{path} exists and is not empty. Choose another --out, "
                        "or keep what is there with --resume"
                    )
                same_settings(final, settings)
                return OutputFolder(final, final, done=True)
            if final.exists() and not final.is_dir():
                raise OutputError(f"{path} is a file; --out must name a folder")
            if work.exists():
                if not resume:
                    raise OutputError(
                        f"{work} holds an unfinished run. Continue it with --resume, or delete it"
                    )
                same_settings(work, settings)
            work.mkdir(parents=True, exist_ok=True)
            write_json(work / CONFIG, settings)
        except OSError as error:
            raise OutputError(f"cannot write to {path}: {error.strerror or error}") from error
        return OutputFolder(final, work, done=False)

    def note(self, notes: Mapping[str, Any]) -> None:
        """Adds to the recorded settings what only the run could tell, such as how long it took."""
        settings = json.loads((self.work / CONFIG).read_text())
        write_json(self.work / CONFIG, {**settings, **notes})

    def finish(self) -> Path:
        """Renames the work folder to its final name and returns it."""
        if not self.done:
            if self.final.exists():  # empty, as `open` made sure
                self.final.rmdir()
            self.work.rename(self.final)
        return self.final


def open_in_place(
    folder: Path, settings: Mapping[str, Any], *, resume: bool, notes: Mapping[str, Any] | None = None
) -> None:
    """Makes a folder that is filled under its final name, as a run that others watch is; records settings.

    What is there already is kept, and only with `resume` and the same settings. `notes` stand beside the
    settings of a new folder, and nobody compares them.
    """
    try:
        if folder.exists() and not folder.is_dir():
            raise OutputError(f"{folder} is a file; --out must name a folder")
        if folder.is_dir() and any(folder.iterdir()):
            if not resume:
                raise OutputError(
                    f"{folder} exists and is not empty. Choose another --out, or go on with --resume"
                )
            same_settings(folder, settings)
            return
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / CONFIG, {**settings, **(notes or {})})
    except OSError as error:
        raise OutputError(f"cannot write to {folder}: {error.strerror or error}") from error


@contextmanager
def full_disk_told(folder: Path) -> Iterator[None]:
    """Says of a write that failed what the user can do; whatever is complete in the folder stays so."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        raise OutputError(
            f"cannot write to {folder}: {error}. Make room, then go on from the last checkpoint with --resume"
        ) from error


def cut_jsonl(path: Path, keep: Callable[[Mapping[str, Any]], bool]) -> None:
    """Rewrites a file of rows without those that `keep` refuses, nor a last line that a kill left torn."""
    drop_torn_line(path)
    if not all(map(keep, read_jsonl(path))):
        write_lines(path, filter(keep, read_jsonl(path)))


def same_settings(folder: Path, settings: Mapping[str, Any]) -> None:
    """Raises an `OutputError` that names the first setting in which a folder differs from these."""
    path = folder / CONFIG
    if not path.exists():
        raise OutputError(f"{folder} was not made by this command (it has no {CONFIG}); choose another --out")
    old, new = json.loads(path.read_text()), json.loads(json.dumps(_finite(settings)))
    # What the finished run added to its settings (how long it took) is no setting.
    changed = [key for key in new if old.get(key) != new.get(key)]
    if changed:
        key = changed[0]
        raise OutputError(
            f"{folder} was made with {key}={old.get(key)!r}, now it is {new.get(key)!r}: "
            "resume with the same settings, or choose another --out"
        )
