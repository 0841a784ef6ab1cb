"""What a client sends: prompts and lossless pictures, as a zip archive of two members.

    request.json   Header: an id and a prompt per picture, the group size, the digest that is expected
    images.npy     uint8 of (B, H, W, 3), NumPy's format 1.0, in C order

Any language can write one. Nothing is ever unpickled, and sizes are read and judged before anything is
unpacked.

Axes: B pictures, H W pixels.
"""

import io
import json
import math
import re
import struct
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray
from numpy.lib import format as npy

from tessera.config import config
from tessera.errors import RewardError, UserError
from tessera.rewards.remote.limits import HEADER_BYTES, MIB, Limits, Refusal
from tessera.rewards.remote.plain import SAID, from_json
from tessera.types import Prompt

VERSION = 1  # of this format, told by /health
CONTENT_TYPE = "application/zip"
HEADER, IMAGES = "request.json", "images.npy"
COLOURS = 3
LEVEL = 1  # of deflate: twice as fast as the default for a tenth more bytes

# The record that ends an archive without comment (APPNOTE.TXT 4.3.16). Its counts are checked first: a
# directory of a million entries would be a million objects before a single name is seen.
END = struct.Struct("<4s4H2LH")
END_SIGNATURE, WIDE_SIGNATURE, WIDE_LOCATOR = b"PK\x05\x06", b"PK\x06\x07", 20
DIRECTORY_BYTES = 1024  # two entries and their extra fields take about 130

# The head of an array in NumPy's format 1.0, its type and order written down: NumPy's own reader evaluates
# a literal here, and accepts types that are not ours.
MAGIC = b"\x93NUMPY\x01\x00"
LENGTH = struct.Struct("<H")  # of the head that follows
NUMBER = rb"\s*(\d{1,9})\s*,"
HEAD = re.compile(
    rb"\s*\{\s*'descr'\s*:\s*'[|<]?u1'\s*,\s*'fortran_order'\s*:\s*False\s*,\s*'shape'\s*:\s*\("
    + NUMBER * 3
    + NUMBER
    + rb"?\s*\)\s*,?\s*\}\s*"
)


@config
class Header:
    """The words of a request. The `group` pictures of a prompt lie side by side."""

    ids: tuple[str, ...]  # B
    prompts: tuple[Prompt, ...]  # B
    group: int = 1
    digest: str = ""  # the reward that the client means; empty: whichever is there


def encode_request(header: Header, images_BHWC: UInt8[ndarray, "B H W 3"]) -> bytes:
    """Returns the bytes of a request."""
    words = {
        "ids": header.ids,
        "prompts": [_plain(prompt) for prompt in header.prompts],
        "group": header.group,
        "digest": header.digest,
    }
    pictures, packed = io.BytesIO(), io.BytesIO()
    npy.write_array(pictures, np.ascontiguousarray(images_BHWC), version=(1, 0), allow_pickle=False)
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=LEVEL) as archive:
        archive.writestr(HEADER, json.dumps(words))
        archive.writestr(IMAGES, pictures.getbuffer())
    return packed.getvalue()


def _plain(prompt: Prompt) -> dict[str, Any]:
    row = {
        "id": prompt.id,
        "text": prompt.text,
        "category": prompt.category,
        "metadata": dict(prompt.metadata),
    }
    try:
        json.dumps(row, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise RewardError(
            f"the metadata of the prompt {prompt.text!r} cannot be sent to a reward server: {error}; keep to "
            "what JSON has"
        ) from error
    return row


def decode_request(body: bytes, limits: Limits) -> tuple[Header, UInt8[ndarray, "B H W 3"]]:
    """Returns what `encode_request` wrote; refuses all else in one sentence, before unpacking it."""
    _check_directory(body)
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            members = {member.filename: member for member in archive.infolist()}
            _check_members(members)
            with archive.open(members[HEADER]) as stream:
                header = _header(stream.read(), limits)
            images_BHWC = _images(archive, members[IMAGES], len(header.ids), limits)
    # What zipfile raises for damage, NotImplementedError for a kind of compression that it does not know.
    except (zipfile.BadZipFile, zlib.error, EOFError, struct.error, ValueError, NotImplementedError) as error:
        raise Refusal("format", f"the request is a damaged zip archive: {str(error)[:SAID]}") from error
    return header, images_BHWC


def _check_directory(body: bytes) -> None:
    end = body[-END.size :]
    if len(end) < END.size or not end.startswith(END_SIGNATURE):
        raise Refusal("format", f"a request is a zip archive of {HEADER} and {IMAGES}; this is none")
    _, _, _, _, entries, size, _, comment = END.unpack(end)
    wide = body[-END.size - WIDE_LOCATOR :].startswith(WIDE_SIGNATURE)  # zip64 would override these counts
    if entries != 2 or size > DIRECTORY_BYTES or comment or wide:
        raise Refusal("format", f"the archive must hold {HEADER} and {IMAGES}, and nothing else")


def _check_members(members: Mapping[str, zipfile.ZipInfo]) -> None:
    if set(members) != {HEADER, IMAGES}:
        raise Refusal("format", f"the archive must hold {HEADER} and {IMAGES}, not {sorted(members)!r:.200}")
    for name, member in members.items():
        if member.flag_bits & 1 or member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise Refusal("format", f"{name} must be stored or deflated, and not encrypted")
    if members[HEADER].file_size > HEADER_BYTES:
        raise Refusal("size", f"{HEADER} would unpack to more than {HEADER_BYTES // MIB} MiB")


def _header(text: bytes, limits: Limits) -> Header:
    try:
        header = from_json(Header, text, HEADER)
    except UserError as error:
        raise Refusal("format", str(error)) from error
    count = len(header.ids)
    if not count or len(set(header.ids)) != count or len(header.prompts) != count:
        raise Refusal(
            "format",
            "a request has one picture or more, and for each an id of its own and a prompt; this one has "
            f"{count} ids ({len(set(header.ids))} different) and {len(header.prompts)} prompts",
        )
    if count > limits.pictures:
        raise Refusal("size", f"{count} pictures are more than the {limits.pictures} of one request")
    if header.group < 1 or count % header.group:
        raise Refusal("format", f"{count} pictures make no whole groups of {header.group}")
    if (longest := max(len(prompt.text) for prompt in header.prompts)) > limits.prompt_chars:
        raise Refusal("size", f"a prompt has {longest} characters, more than {limits.prompt_chars}")
    return header


def _images(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, count: int, limits: Limits
) -> UInt8[ndarray, "B H W 3"]:
    """Returns the pictures, unpacked once their type and size are known to be what they must be."""
    with archive.open(member) as stream:
        if stream.read(len(MAGIC)) != MAGIC:
            raise Refusal("format", f"{IMAGES} must be of NumPy's format 1.0")
        (length,) = LENGTH.unpack(stream.read(LENGTH.size))
        head = stream.read(length)
        told = HEAD.fullmatch(head)
        shape = tuple(int(number) for number in told.groups()) if told else ()
        if not shape or shape[0] != count or shape[3] != COLOURS:
            raise Refusal(
                "format",
                f"{IMAGES} must be uint8 of ({count}, height, width, {COLOURS}) in C order, and says "
                f"{head[:SAID].decode('latin-1').strip()!r}",
            )
        _, height, width, _ = shape
        if not 0 < min(height, width) <= max(height, width) <= limits.side:
            raise Refusal(
                "size", f"pictures of {height} x {width} are not within 1 to {limits.side} pixels a side"
            )
        pixels = math.prod(shape)
        if pixels > limits.picture_bytes:
            most = limits.picture_bytes // MIB
            raise Refusal("size", f"the pictures would unpack to {pixels // MIB} MiB, more than {most} MiB")
        here = member.file_size - len(MAGIC) - LENGTH.size - length
        if here != pixels:
            raise Refusal("format", f"{IMAGES} says {shape} and has {here} bytes for it")
        # A copy that may be written to, as a picture that was just decoded may.
        return np.frombuffer(bytearray(stream.read(pixels)), dtype=np.uint8).reshape(shape)
