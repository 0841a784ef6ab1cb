"""Fetching from a server of this machine: what is right is kept, and nothing else."""

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tessera.data.catalogue import DataFile, Dataset
from tessera.data.fetch import fetch, url_of
from tessera.errors import UserError

PUBLISHED = {"a.txt": b"a red cup\r\na blue cat", "deep/b.txt": b"two dogs\n", "LICENSE": b"do as you like\n"}


class Shelf:
    """What the server has, by path; `torn` paths break off half-way. `asked` is what was asked for."""

    def __init__(self) -> None:
        self.files = {f"/some/where/0123abc/prompts/{name}": content for name, content in PUBLISHED.items()}
        self.torn: set[str] = set()
        self.asked: list[str] = []
        self.url = ""


@pytest.fixture
def shelf(monkeypatch: pytest.MonkeyPatch) -> Iterator[Shelf]:
    """Yields the shelf of a server, which stands in for GitHub."""
    shelf = Shelf()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            shelf.asked.append(self.path)
            content = shelf.files.get(self.path)
            self.send_response(404 if content is None else 200)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            torn = self.path in shelf.torn
            self.wfile.write((content or b"")[: len(content or b"") // 2 if torn else None])

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    shelf.url = f"http://127.0.0.1:{server.server_address[1]}"
    monkeypatch.setattr("tessera.data.fetch.RAW", shelf.url)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield shelf
    server.shutdown()
    thread.join()
    server.server_close()


def published(name: str) -> DataFile:
    content = PUBLISHED[name]
    sha256 = hashlib.sha256(content).hexdigest()
    return DataFile(path=name, upstream=f"prompts/{name}", sha256=sha256, size=len(content))


WHAT = Dataset(
    name="some",
    holds="a few prompts",
    folder="some_folder",
    repo="some/where",
    ref="0123abc",
    licence="MIT",
    source="arXiv 0000.00000",
    files=(published("a.txt"), published("deep/b.txt")),
    terms=(published("LICENSE"),),
)


def held(root: Path) -> dict[str, bytes]:
    """Returns all files below a folder."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()
    }


def test_files_and_licence_arrive_byte_for_byte_and_a_second_time_nothing_is_asked(
    shelf: Shelf, tmp_path: Path
) -> None:
    assert fetch(WHAT, tmp_path) == []
    assert held(tmp_path / "some_folder") == PUBLISHED
    asked = len(shelf.asked)
    assert fetch(WHAT, tmp_path) == []
    assert len(shelf.asked) == asked == 3


def test_a_torn_transfer_keeps_what_was_whole_and_the_next_one_goes_on(shelf: Shelf, tmp_path: Path) -> None:
    torn = "/some/where/0123abc/prompts/deep/b.txt"
    shelf.torn.add(torn)
    with pytest.raises(UserError, match="could not be fetched") as told:
        fetch(WHAT, tmp_path)
    assert "\n" not in str(told.value)
    assert held(tmp_path) == {"some_folder/a.txt": PUBLISHED["a.txt"]}
    shelf.torn.clear()
    shelf.asked.clear()
    fetch(WHAT, tmp_path)
    assert held(tmp_path / "some_folder") == PUBLISHED
    assert torn in shelf.asked
    assert len(shelf.asked) == 2


@pytest.mark.parametrize("content", [b"two cats\n", b"two dogs", b"two dogs\n" * 100_000])
def test_a_wrong_digest_is_an_error_that_keeps_nothing(shelf: Shelf, tmp_path: Path, content: bytes) -> None:
    shelf.files["/some/where/0123abc/prompts/a.txt"] = content
    with pytest.raises(UserError, match=r"gave another file .* nothing of it was kept"):
        fetch(WHAT, tmp_path)
    assert held(tmp_path) == {}


def test_what_is_not_there_is_told_with_the_way_by_hand(shelf: Shelf, tmp_path: Path) -> None:
    shelf.files.clear()
    with pytest.raises(
        UserError, match=r"answered 404; get a\.txt from https://github\.com/some/where by hand"
    ):
        fetch(WHAT, tmp_path)
    assert held(tmp_path) == {}


def test_without_a_network_it_is_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nobody listens at that port."""
    monkeypatch.setattr("tessera.data.fetch.RAW", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with pytest.raises(UserError, match="run the same line again where there is a network") as told:
        fetch(WHAT, tmp_path)
    assert "\n" not in str(told.value)
    assert held(tmp_path) == {}


def test_somebodys_own_file_is_kept_and_named(shelf: Shelf, tmp_path: Path) -> None:
    (tmp_path / "some_folder").mkdir()
    (tmp_path / "some_folder" / "a.txt").write_text("mended\n")
    assert fetch(WHAT, tmp_path) == ["a.txt"]
    assert (tmp_path / "some_folder" / "a.txt").read_text() == "mended\n"
    assert "/some/where/0123abc/prompts/a.txt" not in shelf.asked


def test_a_folder_that_cannot_be_written_to_is_told(shelf: Shelf, tmp_path: Path) -> None:
    (tmp_path / "some_folder").write_text("a file")
    with pytest.raises(UserError, match=r"cannot write .*--data-dir"):
        fetch(WHAT, tmp_path)
    assert shelf.asked


def test_an_address_names_repository_commit_and_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tessera.data.fetch.RAW", "https://raw.example")
    assert url_of(WHAT, WHAT.files[1]) == "https://raw.example/some/where/0123abc/prompts/deep/b.txt"
