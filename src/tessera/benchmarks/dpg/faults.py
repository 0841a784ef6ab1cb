"""Faults of DPG-Bench's published script, each by name: mended here, or reproduced for its numbers.

Read at TencentQQGYLab/ELLA:dpg_bench/compute_dpg_bench.py (commit 025f650). Without `official_bugs` each is
mended as it says; with it, what can be reproduced is. `KEPT` is the published rule: it holds in either case.
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """One fault of the published script."""

    name: str
    does: str
    mended: str
    reproduced: str = "yes"  # or why not


FAULTS: tuple[Fault, ...] = (
    Fault(
        name="first-row",
        does="skips the first row of the table below its head, so the first prompt lacks its first question; "
        "where another question depends on that one, the prompt drops out (see dropped-prompt)",
        mended="all rows are read",
    ),
    Fault(
        name="row-order",
        does="goes through the questions once, in the order of their rows: one that stands before its "
        "parent sees the parent's answer and not yet that the parent itself does not count",
        mended="a question counts if it and all it depends on, however far up, are answered yes",
    ),
    Fault(
        name="interrupted-item",
        does="forgets a prompt's questions when its rows go on after those of another prompt",
        mended="a prompt has all its rows",
    ),
    Fault(
        name="dropped-prompt",
        does="drops a prompt without counting it where anything goes wrong: no rows, a parent that is none "
        "of its questions",
        mended="a parent that is none is ignored; what cannot be judged is NaN, with a reason, and counted",
    ),
    Fault(
        name="last-picture",
        does="makes the category scores from the last of a prompt's pictures alone",
        mended="from all of them",
    ),
    Fault(
        name="mixed-categories",
        does="in several processes, each goes through a set of category names in an order of its own while "
        "answers are gathered, so answers of several categories may be counted under one",
        mended="there is one list",
        reproduced="no: the order depends on Python's random hashes",
    ),
)

KEPT: tuple[str, ...] = (
    "category scores are made from the answers as given, before dependencies are looked at",
    "a question that has the number of an earlier one of its prompt replaces it",
    "a category is what stands before the bracket of the column tuple, its group what stands before the dash",
)
