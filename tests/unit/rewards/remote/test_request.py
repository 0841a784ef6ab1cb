"""Requests: what goes in comes out; bombs, paths, scripts and damage are refused before they cost memory."""

import io
import json
import struct
import tracemalloc
import zipfile
from typing import Any

import numpy as np
import pytest

from tessera.errors import RewardError
from tessera.rewards.remote.limits import MIB, Limits, Refusal
from tessera.rewards.remote.request import HEADER, IMAGES, Header, decode_request, encode_request
from tessera.types import Prompt

LIMITS = Limits(megabytes=5, pictures=8, side=64, prompt_chars=40)  # 1 MiB of pictures
PROMPTS = (
    Prompt(id="1", text="a red star", category="c", metadata={"axes": ["color"], "n": None}),
    Prompt(id="2", text="“zwei” 星 \ud800", metadata={}),
)
WORDS = Header(ids=("a", "b"), prompts=PROMPTS, group=2, digest="d")
PICTURES = np.random.default_rng(0).integers(0, 256, (2, 5, 7, 3), dtype=np.uint8)
GOOD = encode_request(WORDS, PICTURES)
JSON = {
    "ids": ["a", "b"],
    "prompts": [{"id": "1", "text": "a star"}] * 2,
    "group": 2,
    "digest": "d",
}


def npy(array: np.ndarray, **how: Any) -> bytes:
    out = io.BytesIO()
    np.save(out, array, **how)
    return out.getvalue()


def archive(*members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as packed:
        for name, data in members:
            packed.writestr(name, data)
    return out.getvalue()


def request(words: Any = None, images: bytes | None = None, **changes: Any) -> bytes:
    """Returns a request with something changed in it."""
    text = json.dumps({**JSON, **changes}).encode() if words is None else words
    return archive((HEADER, text), (IMAGES, npy(PICTURES) if images is None else images))


def array_head(text: str) -> bytes:
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()


def test_what_goes_in_comes_out() -> None:
    header, images = decode_request(GOOD, LIMITS)
    assert header == WORDS
    assert np.array_equal(images, PICTURES)
    assert images.dtype == np.uint8
    images[0] = 0  # as a reward may that draws into the pictures it was given


def test_other_writers_are_read() -> None:
    """As numpy.savez writes, without compression, and as a program in another language might."""
    plain = archive((HEADER, json.dumps(JSON).encode()), (IMAGES, npy(PICTURES)), method=zipfile.ZIP_STORED)
    saved = io.BytesIO()
    np.savez(saved, images=PICTURES)
    with zipfile.ZipFile(saved, "a") as packed:
        packed.writestr(HEADER, json.dumps(JSON))
    spaced = array_head("{'descr':'<u1','fortran_order':False,'shape':(2,5,7,3)}") + PICTURES.tobytes()
    for body in (plain, saved.getvalue(), request(images=spaced)):
        assert np.array_equal(decode_request(body, LIMITS)[1], PICTURES)


def bomb(megabytes: int) -> bytes:
    """Returns a small archive whose pictures truly unpack to so many MiB."""
    side = 64
    count = megabytes * MIB // (side * side * 3)
    return request(
        images=npy(np.zeros((count, side, side, 3), dtype=np.uint8)),
        ids=[str(n) for n in range(count)],
        prompts=[{"id": "1", "text": "x"}] * count,
        group=1,
    )


def lying(declared: int, body: bytes) -> bytes:
    """Returns an archive whose directory says that its second member unpacks to so many bytes."""
    place = body.rindex(b"PK\x01\x02")
    return body[: place + 24] + struct.pack("<L", declared) + body[place + 28 :]


PICKLE = npy(np.array([{"run": "me"}], dtype=object), allow_pickle=True)
NO_ARCHIVE = {
    "nothing": b"",
    "a path": b"/etc/passwd",
    "a script": b"#!/bin/sh\nrm -rf /\n",
    "random bytes": np.random.default_rng(1).bytes(10_000),
    "a pickle": b"\x80\x04\x95\x0c\x00\x00\x00",
    "JSON": json.dumps(JSON).encode(),
    "half a request": GOOD[: len(GOOD) // 2],
    "a comment": GOOD[:-2] + b"\x02\x00hi",
    "a million entries": GOOD[:-12] + struct.pack("<H", 60_000) + GOOD[-10:],
    "zip64": GOOD[:-42] + b"PK\x06\x07" + GOOD[-38:],
}
WRONG = {
    "a path for pictures": (request(images=b"/etc/passwd"), "NumPy's format"),
    "a script for words": (request(words=b"#!/bin/sh"), "no JSON"),
    "a list for words": (request(words=b"[]"), "no JSON object"),
    "deep nesting": (request(words=b"[" * 100_000), "no JSON"),
    "a long number": (request(words=b"1" * 100_000), "no JSON"),
    "an unknown key": (request(path="/etc/passwd"), "unknown key 'path'"),
    "a missing key": (request(words=b'{"ids": []}'), "'prompts' is missing"),
    "a number for a prompt": (request(prompts=[1, 2]), "prompts.0"),
    "other members": (archive(("../../x", b""), (IMAGES, npy(PICTURES))), "must hold"),
    "one member": (archive((HEADER, b"{}")), "must hold"),
    "a third member": (archive((HEADER, b"{}"), (IMAGES, b""), ("x", b"")), "nothing else"),
    "bzip2": (archive((HEADER, b"{}"), (IMAGES, b""), method=zipfile.ZIP_BZIP2), "stored or deflated"),
    "a pickled array": (request(images=PICKLE), "must be uint8"),
    "floats": (request(images=npy(PICTURES.astype(np.float32))), "must be uint8"),
    "Fortran order": (request(images=npy(np.asfortranarray(PICTURES))), "must be uint8"),
    "grey": (request(images=npy(PICTURES[..., 0])), "must be uint8"),
    "four channels": (request(images=npy(np.zeros((2, 5, 7, 4), np.uint8))), "must be uint8"),
    "a picture too many": (request(images=npy(PICTURES[[0, 1, 1]])), "must be uint8"),
    "code in the head": (request(images=array_head("__import__('os').abort()")), "must be uint8"),
    "no pixels": (request(images=npy(PICTURES)[:-5]), "has 205 bytes"),
    "trailing bytes": (request(images=npy(PICTURES) + b"more"), "has 214 bytes"),
    "ids that repeat": (request(ids=["a", "a"]), "1 different"),
    "a prompt too few": (request(prompts=[{"id": "1", "text": "x"}]), "1 prompts"),
    "no pictures": (request(ids=[], prompts=[], images=npy(PICTURES[:0])), "one picture or more"),
    "half a group": (request(group=4), "no whole groups of 4"),
    "group 0": (request(group=0), "no whole groups of 0"),
    "a wrong checksum": (GOOD[:-62] + b"\x00\x00\x00\x00" + GOOD[-58:], "Bad CRC-32"),
}
LARGE = {
    "a side": (request(images=npy(np.zeros((2, 65, 1, 3), np.uint8))), "65 x 1 are not within 1 to 64"),
    "an empty side": (request(images=npy(np.zeros((2, 0, 9, 3), np.uint8))), "0 x 9"),
    "a prompt": (request(prompts=[{"id": "1", "text": "x" * 41}] * 2), "41 characters, more than 40"),
    "many pictures": (bomb(1), "85 pictures are more than the 8"),
    "a bomb of words": (request(words=b" " * 5 * MIB), "unpack to more than 4 MiB"),
}


@pytest.mark.parametrize("name", NO_ARCHIVE)
def test_what_is_no_request_is_refused(name: str) -> None:
    with pytest.raises(Refusal, match=r"zip archive|nothing else") as told:
        decode_request(NO_ARCHIVE[name], LIMITS)
    assert told.value.kind == "format"


@pytest.mark.parametrize("name", WRONG)
def test_a_request_that_is_wrong_inside_is_refused(name: str) -> None:
    body, words = WRONG[name]
    with pytest.raises(Refusal, match=words) as told:
        decode_request(body, LIMITS)
    assert told.value.kind == "format"
    assert len(str(told.value)) < 1000


@pytest.mark.parametrize("name", LARGE)
def test_what_is_too_large_is_refused_as_such(name: str) -> None:
    body, words = LARGE[name]
    with pytest.raises(Refusal, match=words) as told:
        decode_request(body, LIMITS)
    assert told.value.kind == "size"


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        (None, "would unpack to 63 MiB, more than 1 MiB"),
        (MIB, "would unpack to 63 MiB, more than 1 MiB"),
        (100, "damaged zip archive"),
    ],
)
def test_a_bomb_is_refused_before_it_is_unpacked(declared: int | None, words: str) -> None:
    """64 MiB of nothing deflate to 64 KiB; it does not matter what size the directory claims for them."""
    body = bomb(64)
    assert len(body) < MIB
    roomy = Limits(megabytes=5, pictures=100_000, side=64)
    tracemalloc.start()
    try:
        with pytest.raises(Refusal, match=words):
            decode_request(body if declared is None else lying(declared, body), roomy)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 16 * MIB  # of which the ids and prompts of 5,461 pictures take the most


def test_no_damage_gets_through_as_anything_but_a_refusal() -> None:
    """Bytes are changed, cut and doubled at random; what is still read is of the right type and size."""
    rng = np.random.default_rng(2)
    read = 0
    for _ in range(1500):
        body = bytearray(GOOD)
        for place in rng.integers(0, len(body), rng.integers(1, 4)):
            body[place] = rng.integers(256)
        if rng.random() < 0.3:
            first, last = sorted(rng.integers(0, len(body), 2))
            body[first:last] = b"" if rng.random() < 0.5 else bytes(body[first:last]) * 2
        try:
            header, images = decode_request(bytes(body), LIMITS)
        except Refusal:
            continue
        read += 1
        assert len(header.ids) == len(header.prompts) == len(images)
    assert 0 < read < 500  # some bytes, such as those of dates, mean nothing


def test_metadata_that_json_does_not_have_is_named() -> None:
    words = Header(ids=("a",), prompts=(Prompt(id="1", text="a star", metadata={"x": {1, 2}}),))
    with pytest.raises(RewardError, match=r"metadata of the prompt 'a star'.*set is not JSON"):
        encode_request(words, PICTURES[:1])
