"""Fetches published files into the data directory: each under a temporary name until its digest is right.

What is there and verified is not fetched again, so a broken transfer goes on file by file. A file that is
there with another content is somebody's, and is kept.
"""

import hashlib
from pathlib import Path

import httpx2

from tessera.data.catalogue import DataFile, Dataset
from tessera.data.home import verified
from tessera.errors import UserError
from tessera.storage import write_atomic
from tessera.types import Progress, silent

RAW = "https://raw.githubusercontent.com"
SECONDS = 30.0  # without a byte, or without a connection


def fetch(what: Dataset, root: Path, on_progress: Progress = silent) -> list[str]:
    """Returns the files that are there with another content and were kept; fetches those that are missing."""
    folder = root / what.folder
    files = (*what.files, *what.terms)
    kept: list[str] = []
    with httpx2.Client(timeout=SECONDS, follow_redirects=True) as http:
        for number, file in enumerate(files):
            on_progress(what.name, number, len(files), file.path)
            path = folder / file.path
            if path.exists():
                kept += [] if verified(file, path) else [file.path]
            else:
                _write(path, _get(http, what, file))
    on_progress(what.name, len(files), len(files))
    return kept


def url_of(what: Dataset, file: DataFile) -> str:
    """Returns where a file is published."""
    return f"{RAW}/{what.repo}/{what.ref}/{file.upstream}"


def _get(http: httpx2.Client, what: Dataset, file: DataFile) -> bytes:
    """Returns the content of a file, verified."""
    url, content = url_of(what, file), bytearray()
    try:
        with http.stream("GET", url) as reply:
            status = reply.status_code
            for piece in reply.iter_bytes():
                content += piece
                if len(content) > file.size:  # another file, whatever more of it there is
                    break
    except (httpx2.RequestError, httpx2.InvalidURL) as error:
        raise UserError(
            f"{url} could not be fetched ({error}); run the same line again where there is a network (what "
            f"is there is kept), or copy the files from {what.home}"
        ) from error
    if status != httpx2.codes.OK:
        raise UserError(
            f"{url} answered {status}; get {file.path} from {what.home} by hand and put it into "
            f"{what.folder}/ of the data directory"
        )
    if hashlib.sha256(content).hexdigest() != file.sha256:
        raise UserError(
            f"{url} gave another file than the one whose digest is known (SHA-256 {file.sha256[:12]}…, "
            f"{file.size} bytes); nothing of it was kept. Try again; if it stays so, it has changed upstream"
        )
    return bytes(content)


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, content)
    except OSError as error:
        raise UserError(
            f"cannot write {path}: {error.strerror}; make room, or name another --data-dir"
        ) from error
