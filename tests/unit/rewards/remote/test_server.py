"""The server: what it refuses, that it lives on, that clients never meet, and that its counts add up."""

import json
import socket
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from time import sleep
from typing import Any

import httpx2
import numpy as np
import pytest

from tessera.errors import UserError
from tessera.rewards.ask import ask
from tessera.rewards.remote.access import check_host, token_from
from tessera.rewards.remote.limits import MIB, Limits
from tessera.rewards.remote.request import CONTENT_TYPE, Header, encode_request
from tessera.rewards.remote.server import listen
from tessera.types import Prompt
from tests.unit.rewards.remote.serving import (
    counts,
    function_reward,
    numbered,
    prompts_of,
    read_number,
    remote,
    serving,
)

LIMITS = Limits(megabytes=5, pictures=64, side=64, concurrent=2, seconds=10.0)
NUMBERS = function_reward(read_number)
TYPE = {"Content-Type": CONTENT_TYPE}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """The address of a server that reads the numbers of pictures. It must outlive every test."""
    with serving(NUMBERS, limits=LIMITS) as url:
        yield url


def good(*numbers: int, **changes: Any) -> bytes:
    asked = numbers or (7,)
    header = Header(ids=tuple(map(str, asked)), prompts=tuple(prompts_of(asked)), **changes)
    return encode_request(header, numbered(asked))


def post(url: str, body: Any, headers: dict[str, str] = TYPE) -> httpx2.Response:
    return httpx2.post(f"{url}/score", content=body, headers=headers, timeout=20, trust_env=False)


def assert_lives(url: str) -> None:
    assert [row["value"] for row in post(url, good(7, 9)).json()["rows"]] == [7, 9]


def test_it_says_what_it_is(url: str) -> None:
    health = httpx2.get(f"{url}/health", trust_env=False).json()
    assert (health["name"], health["digest"], health["busy"]) == (NUMBERS.name, NUMBERS.digest(), False)
    assert health["limits"]["pictures"] == 64


REFUSED = {
    "a path": (b"/etc/passwd", TYPE, 400, "zip archive"),
    "a script": (b"#!/bin/sh\nreboot\n", TYPE, 400, "zip archive"),
    "random bytes": (np.random.default_rng(0).bytes(100_000), TYPE, 400, "zip archive"),
    "a form": (
        b"path=/etc/passwd",
        {"Content-Type": "application/x-www-form-urlencoded"},
        400,
        "Content-Type",
    ),
    "another digest": (good(digest="0123"), TYPE, 409, f"digest {NUMBERS.digest()}, not 0123"),
    "too many pictures": (good(*range(65)), TYPE, 413, "65 pictures are more than the 64"),
    "6 MiB": (bytes(6 * MIB), TYPE, 413, "may have 5 MiB"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_wrong_is_refused_in_a_sentence(url: str, name: str) -> None:
    body, headers, status, words = REFUSED[name]
    answer = post(url, body, headers)
    assert answer.status_code == status
    assert words in answer.json()["error"]
    assert_lives(url)


@pytest.mark.parametrize("path", ["/../../etc/passwd", "/score/../x", "/%2e%2e/%2e%2e/etc/passwd", "/docs"])
def test_there_are_no_other_paths(url: str, path: str) -> None:
    assert httpx2.get(url + path, trust_env=False).status_code in (404, 405)
    assert_lives(url)


def raw(url: str, head: str) -> socket.socket:
    host, _, port = url.removeprefix("http://").partition(":")
    line = socket.create_connection((host, int(port)), timeout=20)
    line.sendall(
        f"POST /score HTTP/1.1\r\nHost: x\r\nContent-Type: {CONTENT_TYPE}\r\n{head}\r\n\r\n".encode()
    )
    return line


def test_a_gigabyte_that_is_announced_is_refused_before_any_of_it_is_read(url: str) -> None:
    with raw(url, f"Content-Length: {2**30}") as line:
        assert b"413" in line.recv(4096).split(b"\r\n")[0]
    assert_lives(url)


def test_a_gigabyte_that_is_not_announced_is_cut_at_the_bound(url: str) -> None:
    sent, piece = 0, b"10000\r\n" + bytes(2**16) + b"\r\n"
    with raw(url, "Transfer-Encoding: chunked") as line:
        try:
            while sent < 2**30:
                line.sendall(piece)
                sent += 2**16
        except (BrokenPipeError, ConnectionResetError):
            pass
        answer = line.recv(4096)
    # What lies in the sockets' buffers was sent, too, and never read.
    assert 5 * MIB <= sent < 5 * MIB + 20 * MIB
    assert b"413" in answer.split(b"\r\n")[0]
    assert_lives(url)


@pytest.mark.parametrize("garbage", [b"\x00" * 100, b"GET / HTTP/9.9\r\n\r\n", b"POST /score\r\n\r\n" * 50])
def test_what_is_no_http_does_not_hurt(url: str, garbage: bytes) -> None:
    host, _, port = url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=20) as line:
        line.sendall(garbage)
        line.recv(4096)
    assert_lives(url)


def test_a_client_that_goes_away_in_mid_sentence_does_not_hurt() -> None:
    with serving(NUMBERS, limits=LIMITS) as url:
        with raw(url, "Content-Length: 1000") as line:
            line.sendall(b"PK")
        for _ in range(200):
            if counts(url)['failures_total{kind="gone"}'] == 1:
                break
            sleep(0.01)
        assert counts(url)['failures_total{kind="gone"}'] == 1
        assert_lives(url)


def test_a_thousand_pictures_of_eight_clients_are_neither_lost_nor_mixed() -> None:
    """Each picture encodes a number of its own, which its prompt repeats; the function reads it."""

    def client(first: int) -> list[float]:
        numbers = list(range(first, 1000, 8))
        reward = remote(url, max_pictures=9, retries=20)  # the server is full at times, and says so
        return ask(reward, prompts_of(numbers), numbered(numbers), 1).value_B.tolist()

    with serving(NUMBERS, limits=LIMITS) as url, ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(client, range(8)))
        told = counts(url)
    for first, values in enumerate(answers):
        assert values == list(range(first, 1000, 8))
    assert (told["pictures_total"], told["missing_total"], told["in_flight"]) == (1000, 0, 0)
    failures = sum(value for name, value in told.items() if name.startswith("failures_total"))
    assert told["requests_total"] == told["answered_total"] + failures
    assert told["answered_total"] == 8 * 14  # of 125 pictures each, 9 at a time
    assert told['failures_total{kind="busy"}'] == failures


def test_the_counts_add_up() -> None:
    with serving(NUMBERS, limits=LIMITS) as url:
        header = Header(ids=("a", "b"), prompts=tuple(prompts_of([1, 2])))
        assert post(url, encode_request(header, numbered([1, 3]))).json()["rows"][1]["value"] is None
        assert_lives(url)
        post(url, b"/etc/passwd")
        post(url, good(digest="0123"))
        post(url, bytes(6 * MIB))
        told = counts(url)
    kinds = {kind: told[f'failures_total{{kind="{kind}"}}'] for kind in ("format", "digest", "size", "crash")}
    assert kinds == {"format": 1, "digest": 1, "size": 1, "crash": 0}
    assert [told[name] for name in ("requests_total", "answered_total", "in_flight")] == [5, 2, 0]
    assert [told["pictures_total"], told["missing_total"]] == [4, 1]
    assert told["seconds_total"] > 0


class Gate:
    """A reward that waits until it is let through, and notes how many it judged."""

    def __init__(self) -> None:
        self.entered, self.open = Event(), Event()
        self.calls = 0

    def __call__(self, prompts: Sequence[Prompt], images: np.ndarray) -> list[float]:
        self.calls += 1
        self.entered.set()
        assert self.open.wait(20)
        return read_number(prompts, images)


def test_who_comes_when_it_is_full_is_told_to_come_back() -> None:
    gate = Gate()
    with serving(function_reward(gate), limits=LIMITS) as url, ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(post, url, good(n)) for n in (1, 2)]
        while counts(url)["in_flight"] < 2:
            sleep(0.01)
        assert gate.entered.wait(20)
        assert httpx2.get(f"{url}/health", trust_env=False).json()["busy"] is True
        third = post(url, good(3))
        gate.open.set()
        values = [each.result().json()["rows"][0]["value"] for each in waiting]
        assert_lives(url)
    assert (third.status_code, third.headers["retry-after"]) == (503, "1")
    assert "2 requests are being served" in third.json()["error"]
    assert values == [1, 2]


def test_a_request_takes_no_longer_than_it_may_and_gives_up_its_place() -> None:
    gate = Gate()
    quick = Limits(seconds=0.3)
    with serving(function_reward(gate), limits=quick) as url, ThreadPoolExecutor(2) as pool:
        answers = [each.result() for each in [pool.submit(post, url, good(n)) for n in (1, 2)]]
        assert [answer.status_code for answer in answers] == [504, 504]
        assert "no scores after the 0.3 s" in answers[0].json()["error"]
        gate.open.set()
        while httpx2.get(f"{url}/health", trust_env=False).json()["busy"]:
            sleep(0.01)
        assert_lives(url)
    assert gate.calls == 2  # that of the first, and that of `assert_lives`: nobody waited for the second


def test_a_crash_is_the_answer_to_that_request_alone(caplog: pytest.LogCaptureFixture) -> None:
    def fragile(prompts: Sequence[Prompt], images: np.ndarray) -> list[float]:
        match prompts[0].text:
            case "1":
                raise ZeroDivisionError("the judge\nis out")
            case "2":
                raise SystemExit(3)
            case "3":
                raise UserError("ask for something else")
            case "4":
                return [0.5] * (len(prompts) + 1)
        return read_number(prompts, images)

    with serving(function_reward(fragile)) as url:
        answers = [post(url, good(n)) for n in (1, 2, 3, 4)]
        assert_lives(url)
    told = [(answer.status_code, answer.json()["error"]) for answer in answers]
    assert told[0] == (500, "the reward 'tests:function' failed: ZeroDivisionError: the judge is out")
    assert told[1] == (500, "the reward 'tests:function' failed: SystemExit: 3")
    assert told[2] == (422, "ask for something else")
    assert told[3][0] == 422
    assert "asked about 1 pictures and gave 2 values" in told[3][1]
    assert len([record for record in caplog.records if record.exc_info]) == 2  # tracebacks stay where it runs


def test_without_the_token_nothing_is_told() -> None:
    with serving(NUMBERS, token="secret") as url:
        for given in ("", "Bearer", "Bearer wrong", "Basic secret", "secret", "Bearer secreté"):
            headers = [(b"Authorization", given.encode("latin-1"))] if given else []
            for method, path in (("POST", "/score"), ("GET", "/health"), ("GET", "/metrics")):
                answer = httpx2.request(method, url + path, headers=headers, trust_env=False)
                assert answer.status_code == 401
                assert answer.headers["www-authenticate"] == "Bearer"
                assert NUMBERS.digest() not in answer.text
        right = {"Authorization": "Bearer secret"}
        assert post(url, good(5), TYPE | right).json()["rows"][0]["value"] == 5
        assert counts(url, **right)['failures_total{kind="token"}'] == 6


def test_a_token_is_asked_for_before_a_body_is_read() -> None:
    with serving(NUMBERS, token="secret") as url, raw(url, f"Content-Length: {MIB}") as line:
        assert b"401" in line.recv(4096).split(b"\r\n")[0]


def test_a_token_comes_from_a_variable_or_a_file(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("SECRET", "abc\n")
    monkeypatch.setenv("EMPTY", "")
    (tmp_path / "token").write_text("def\n")
    (tmp_path / "words").write_text("two words")
    assert token_from("SECRET") == "abc"
    assert token_from(None, tmp_path / "token") == "def"
    assert token_from(None) is None
    for variable, file, words in (
        ("EMPTY", None, "variable EMPTY holds no token"),
        ("NO_SUCH_VARIABLE", None, "NO_SUCH_VARIABLE holds no token"),
        (None, tmp_path / "words", "holds no token"),
        (None, tmp_path / "nothing", "cannot be read"),
        ("SECRET", tmp_path / "token", "not from both"),
    ):
        with pytest.raises(UserError, match=words):
            token_from(variable, file)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "example.org", "localhost.example.org"])
def test_other_machines_need_a_token(host: str) -> None:
    with pytest.raises(UserError, match=r"needs a token.*--token-env"):
        check_host(host, None)
    check_host(host, "secret")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_this_machine_needs_none(host: str) -> None:
    check_host(host, None)


def test_an_address_that_is_taken_is_told() -> None:
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=f"cannot serve on 127.0.0.1, port {port}.*--port"):
            listen("127.0.0.1", port)
    with pytest.raises(UserError, match="got 70000"):
        listen("127.0.0.1", 70_000)


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"pictures": 0}, "pictures"), ({"megabytes": 4}, "megabytes"), ({"seconds": 0.0}, "seconds")],
)
def test_limits_that_let_nothing_through_are_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        Limits(**changes)


def test_metrics_are_as_prometheus_reads_them(url: str) -> None:
    answer = httpx2.get(f"{url}/metrics", trust_env=False)
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    names = {line.split("{")[0].split()[0] for line in answer.text.splitlines() if line[0] != "#"}
    typed = {line.split()[2] for line in answer.text.splitlines() if line.startswith("# TYPE")}
    assert names == typed
    assert json.loads(post(url, good(1)).content)["digest"] == NUMBERS.digest()
