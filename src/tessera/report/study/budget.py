"""What the arms of a study are matched by, in words, and by how much they missed it."""

from tessera.report.study.names import signed_percent
from tessera.report.study.read import Study

IMAGES = "images"
UNITS = {
    IMAGES: "sampled pictures",
    "flops": "passes of tokens through the policy",
    "seconds": "seconds of training",
}
_DIFFER = {
    IMAGES: "gradient steps, trained tokens or how far they move from the base",
    "flops": "sampled pictures, gradient steps or how far they move from the base",
    "seconds": "sampled pictures, gradient steps or how far they move from the base",
}
# The entry of the ledger that a unit is, where it is not always shown.
UNIT_COSTS = {IMAGES: "images", "flops": "token_passes", "seconds": "seconds"}


def match_unit(study: Study) -> str:
    """Returns what the study's arms are matched by."""
    return study.about.get("config", {}).get("match") or IMAGES


def is_growing(study: Study, experiment: str) -> bool:
    """Returns whether further along the experiment's axis more is spent."""
    return study.setting(experiment, "compute") == "growing"


def method(study: Study) -> str:
    """Returns what was matched and what was not, for the end of the page."""
    unit = match_unit(study)
    text = (
        f"Arms are matched by {UNITS[unit]}, not by {_DIFFER[unit]}: each comparison says by how much these "
        "differ."
    )
    if unit == "flops":
        text += (
            " A pass is 1 forward and 3 forward and backward, each branch of guidance by itself; what the "
            "reward computes is left out."
        )
    if unit != IMAGES:
        text += (
            " A short pilot of each run said how long it may be; by how much the run then missed stands with "
            "its experiment."
        )
    growing = [name for name in study.experiments if is_growing(study, name)]
    if growing:
        text += f" At growing compute, arms are matched at each value of the axis: {', '.join(growing)}."
    return text


def kept(study: Study, experiment: str) -> str:
    """Returns how well the experiment's cells kept to their budgets; empty if that is not known."""
    misses = [miss for miss in study.misses if experiment in miss.experiments]
    if not misses:
        return ""
    worst = max(misses, key=lambda miss: abs(miss.share))
    where = "At growing compute: at each value of the axis, arms" if is_growing(study, experiment) else "Arms"
    if round(worst.share, 4) == 0:
        return f"{where} are matched by {UNITS[worst.unit]}, and none missed its budget."
    return (
        f"{where} are matched by {UNITS[worst.unit]}; the largest miss of a budget is "
        f"{signed_percent(worst.share)}."
    )


def along_axis(study: Study, experiment: str) -> str:
    """Returns what the places of an axis cost compared with one another, for the caption of its figure."""
    if is_growing(study, experiment):
        return "At growing compute: further right costs more. At one place, arms are matched."
    unit = match_unit(study)
    if unit == IMAGES:
        return "All places cost the same number of pictures, if the tables do not say otherwise."
    return f"All places were to cost the same in {UNITS[unit]}; the tables say what they did cost."
