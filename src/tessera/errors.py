"""Every error a user can meet, each with a sentence that says what, why and what to do.

`UserError` is the user's mistake: the command line prints its message alone and exits with 2.
Anything else that escapes is ours, and keeps its traceback.
"""

import difflib
from collections.abc import Iterable


class TesseraError(Exception):
    """Base of all errors raised on purpose."""


class UserError(TesseraError):
    """Something the user can mend: a flag, a file, a prompt. Printed without a traceback; exit code 2."""


class PromptError(UserError):
    """A prompt that this policy or world cannot read."""


class CheckpointError(UserError):
    """Weights that are missing, truncated or of another shape than the model that loads them."""


class CheckpointMismatch(CheckpointError):  # noqa: N818 - a name of the house's vocabulary
    """A resume that would continue something else than what was recorded."""


class SamplingError(UserError):
    """A policy that gives no distribution to draw from: weights that training has broken."""


class RewardError(UserError):
    """A reward that cannot be loaded, or whose answers cannot be learnt from."""


class TrainingError(UserError):
    """Training that stopped itself before it would have written a wrong weight."""


class OutputError(UserError):
    """An output folder that cannot be used as asked."""


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Returns the known word most like `word`, or None if nothing is close."""
    matches = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return matches[0] if matches else None


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """Returns the sentence for an unknown name: what it was, the nearest known one, and all there are."""
    names = sorted(known)
    close = nearest(name, names)
    hint = f" Did you mean {close!r}?" if close else ""
    return f"unknown {kind} {name!r}.{hint} Known: {', '.join(names)}."
