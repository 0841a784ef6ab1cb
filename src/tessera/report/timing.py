"""Where the seconds of a run went: by phase and by round.

Axes: S steps, R rounds (a round collects pictures once and may feed several steps).
"""

import itertools
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64, Int64
from numpy import ndarray

from tessera.report.run_files import RunFiles
from tessera.statistics.alarms import column

# Phases in the order of a step, each with the number of its colour, so that every page gives it the same.
PHASES = {"sample": 0, "decode": 3, "reward": 2, "replay": 4, "update": 1}
LOOKING = ("held_out", "film")  # only every k steps: part of the cost, not of a step's rhythm
REST = "rest"
REST_COLOUR = 5


def rounds(run: RunFiles) -> Int64[ndarray, " R1"]:
    """Returns the row in which each round starts, and at last where the last one ends.

    A round starts where pictures are drawn; without such rows each step is one. A last round that a kill cut
    short is left out, unless it is the only one.
    """
    count = len(run.metrics)
    starts = np.flatnonzero(column(run.metrics, "images") > 0)
    if len(starts) == 0:
        starts = np.arange(count)
    edges = np.append(starts, count)
    lengths = np.diff(edges)
    return edges[:-1] if len(lengths) > 1 and lengths[-1] < lengths.max() else edges


def round_sums(value_S: Float64[ndarray, " S"], edges: Int64[ndarray, " R1"]) -> Float64[ndarray, " R"]:
    """Returns the sum of the known values of each round."""
    known_S = np.nan_to_num(value_S)
    return np.array([known_S[first:end].sum() for first, end in itertools.pairwise(edges)], dtype=np.float64)


def phases(run: RunFiles) -> dict[str, Float64[ndarray, " S"]]:
    """Returns seconds per step by phase in the order of a step, those of looking and the rest last."""
    prefix = "seconds_"
    found = dict.fromkeys(key.removeprefix(prefix) for row in run.metrics for key in row if prefix in key)
    known = [name for name in PHASES if name in found]
    others = [name for name in found if name not in PHASES and name not in LOOKING]
    named = [*known, *others, *(name for name in LOOKING if name in found)]
    spent = {name: np.nan_to_num(column(run.metrics, prefix + name)) for name in named}
    rest_S = np.nan_to_num(column(run.metrics, "seconds")) - sum(spent.values(), start=0.0)
    return {**spent, REST: np.maximum(rest_S, 0.0)}


def phase_classes(names: Sequence[str]) -> list[str]:
    """Returns the colour class of each phase; phases that this module does not know share what is left."""
    return [f"phase-{PHASES.get(name, REST_COLOUR if name == REST else 6)}" for name in names]
