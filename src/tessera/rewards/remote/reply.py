"""What a server answers: JSON with the reward's digest and a row per picture, matched by the picture's id.

NaN is null, with a reason; what is infinite, or no number, is refused.

Axes: B pictures.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import field

import torch
from jaxtyping import Float64
from torch import Tensor

from tessera.config import config
from tessera.errors import RewardError, UserError
from tessera.rewards.remote.plain import Number, from_json
from tessera.tensors import Scores

UNSAID = "no reason given"


@config
class Row:
    """What is said of one picture: a value, or why there is none."""

    id: str
    value: Number | None
    reason: str = ""
    parts: dict[str, Number | None] = field(default_factory=dict)  # raw, where the reward has several


@config
class Reply:
    """All rows of a request."""

    digest: str
    rows: tuple[Row, ...]


def encode_reply(ids: Sequence[str], scores: Scores) -> bytes:
    """Returns the bytes of a reply: numbers as JSON writes them read back as the same numbers."""
    parts = {name: value_B.tolist() for name, value_B in scores.parts.items()}
    rows = []
    for row, (id_, value, reason) in enumerate(
        zip(ids, scores.value_B.tolist(), scores.reasons, strict=True)
    ):
        missing = math.isnan(value)
        rows.append(
            {
                "id": id_,
                "value": None if missing else value,
                "reason": (reason or UNSAID) if missing else "",
                "parts": {name: _or_null(values[row]) for name, values in parts.items()},
            }
        )
    return json.dumps({"digest": scores.digest, "rows": rows}, allow_nan=False).encode()


def _or_null(value: float) -> float | None:
    return None if math.isnan(value) else value


def decode_reply(body: bytes, ids: Sequence[str], where: str) -> Scores:
    """Returns the scores of these pictures, in this order; an error begins with `where`."""
    try:
        reply = from_json(Reply, body, where)
    except UserError as error:
        raise RewardError(f"{error}; a reply has a finite number or null for each picture") from error
    rows = {row.id: row for row in reply.rows}
    if len(reply.rows) != len(ids) or set(rows) != set(ids):
        unknown = sorted(set(rows) - set(ids))
        stranger = f", among them {unknown[0][:40]!r}, which nobody asked about" if unknown else ""
        raise RewardError(
            f"{where} was asked about {len(ids)} pictures and gave {len(reply.rows)} rows for {len(rows)} "
            f"pictures{stranger}; it must give one row for each"
        )
    ordered = [rows[id_] for id_ in ids]
    if unsaid := [row.id for row in ordered if row.value is None and not row.reason]:
        raise RewardError(f"{where} gave no value for picture {unsaid[0]!r} and no reason why")
    names = list(ordered[0].parts) if ordered else []
    if any(set(row.parts) != set(names) for row in ordered):
        raise RewardError(f"{where} gave other parts for some pictures than for others")
    return Scores(
        value_B=_tensor([row.value for row in ordered]),
        reasons=tuple(row.reason if row.value is None else "" for row in ordered),
        digest=reply.digest,
        parts={name: _tensor([row.parts[name] for row in ordered]) for name in names},
    )


def _tensor(values: Sequence[float | None]) -> Float64[Tensor, " B"]:
    return torch.tensor([math.nan if value is None else value for value in values], dtype=torch.float64)
