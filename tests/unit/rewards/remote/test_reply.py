"""Replies: numbers to the last bit, NaN with its reason, and nothing that only looks like an answer."""

import json
import math
from typing import Any

import pytest
import torch

from tessera.errors import RewardError
from tessera.rewards.remote.reply import decode_reply, encode_reply
from tessera.tensors import Scores

IDS = ("x-0", "x-1", "x-2")
NAN = math.nan


def table(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


SCORES = Scores(
    value_B=table(1 / 3, NAN, -1e-300),
    reasons=("", "too dark", ""),
    digest="d",
    parts={"clip": table(0.1, NAN, 3.0), "noise": table(NAN, 2**-1074, 1e308)},
)


def reply(**changes: Any) -> bytes:
    rows = [{"id": id_, "value": 0.5, "reason": "", "parts": {}} for id_ in IDS]
    for key, value in changes.items():
        rows[0][key] = value
    return json.dumps({"digest": "d", "rows": rows}).encode()


def rows_of(*ids: str) -> bytes:
    return json.dumps({"digest": "d", "rows": [{"id": id_, "value": 0.5} for id_ in ids]}).encode()


def test_scores_come_back_bit_by_bit() -> None:
    back = decode_reply(encode_reply(IDS, SCORES), IDS, "s")
    assert torch.equal(back.value_B.nan_to_num(7), SCORES.value_B.nan_to_num(7))
    assert (back.reasons, back.digest) == (SCORES.reasons, "d")
    assert {name: part.tolist()[2] for name, part in back.parts.items()} == {"clip": 3.0, "noise": 1e308}
    assert math.isnan(back.parts["clip"][1])
    assert back.parts["noise"][1] == 2**-1074


def test_rows_are_matched_by_id_and_not_by_place() -> None:
    shuffled = json.loads(encode_reply(IDS, SCORES))
    shuffled["rows"] = shuffled["rows"][::-1]
    back = decode_reply(json.dumps(shuffled).encode(), IDS, "s")
    assert back.value_B.tolist()[0] == 1 / 3
    assert back.reasons == SCORES.reasons


def test_missing_without_a_reason_gets_one_when_sent() -> None:
    silent = Scores(value_B=table(NAN), reasons=("",), digest="d")
    assert decode_reply(encode_reply(("a",), silent), ("a",), "s").reasons == ("no reason given",)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"<html>", "no JSON"),
        (b"[1, 2, 3]", "no JSON object"),
        (b"\xff\xfe", "no JSON"),
        (rows_of("x-0", "x-1"), "asked about 3 pictures and gave 2 rows for 2"),
        (rows_of(*IDS, "x-2"), "gave 4 rows for 3"),
        (rows_of("x-0", "x-1", "x-1"), "gave 3 rows for 2"),
        (rows_of("x-0", "x-1", "y-2"), "among them 'y-2', which nobody asked about"),
        (reply(value=None), "no value for picture 'x-0' and no reason"),
        (reply(value=math.inf), "finite number"),
        (reply(value=math.nan), "finite number"),
        (reply(value="0.5"), "valid number"),
        (reply(value=True), "valid number"),
        (reply(parts={"clip": 1.0}), "other parts for some"),
        (reply(parts={"clip": -math.inf}), "finite number"),
        (reply(more=1), "unknown key 'rows.0.more'"),
        (b'{"rows": []}', "'digest' is missing"),
    ],
)
def test_an_answer_that_is_none_names_the_server(body: bytes, words: str) -> None:
    with pytest.raises(RewardError, match=words) as told:
        decode_reply(body, IDS, "http://there")
    assert str(told.value).startswith("http://there")
    assert len(str(told.value)) < 1000
