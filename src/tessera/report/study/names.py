"""How arms and numbers of a study are called on its page."""

import math
import re
from collections.abc import Sequence

from tessera.report.numbers import MISSING, NARROW_SPACE, count, duration
from tessera.report.study.rows import DEFAULT, Arm

ALGORITHMS = {"grpo": "GRPO", "dpo": "DPO"}
MINUS = "\N{MINUS SIGN}"

# How the scaling axes are called; others keep their name.
AXES = {
    "samples": "samples per prompt",
    "prompts": "training prompts",
    "diversity": "kinds of prompts",
    "rounds": "rounds",
    "budget": "pictures in all",
}
ONE = {
    "samples": "sample per prompt",
    "prompts": "training prompt",
    "diversity": "kind of prompts",
    "rounds": "round",
}

COST_NAMES = {
    "images": "pictures",
    "reward_calls": "reward calls",
    "gradient_steps": "gradient steps",
    "tokens_sampled": "tokens drawn",
    "tokens_scored": "tokens scored",
    "tokens_trained": "tokens trained",
    "token_passes": "token passes",
    "kl": "final KL",
    "cpu_seconds": "CPU time",
    "seconds": "wall time",
    "peak_memory_mb": "peak memory",
}


def arm_names(arms: Sequence[Arm]) -> dict[Arm, str]:
    """Returns a name for each arm: its algorithm, with reward and setting where they differ among them."""
    rewards = {arm.reward for arm in arms if arm.trained}
    settings = {arm.setting for arm in arms if arm.trained}
    return {arm: _name(arm, len(rewards) > 1, len(settings) > 1) for arm in arms}


def algorithm_name(name: str) -> str:
    """Returns an arm's name as people write it: grpo-iterated becomes "GRPO iterated"."""
    first, _, rest = name.partition("-")
    return f"{ALGORITHMS.get(first, first)} {rest.replace('-', ' ')}".strip()


def setting_name(arm: Arm) -> str:
    """Returns the setting in words: "samples=8" becomes "8 samples per prompt"."""
    if arm.setting == DEFAULT:
        return ""
    if arm.axis is not None:
        axis, value = arm.axis
        return f"{value:g} {ONE.get(axis, axis_name(axis)) if value == 1 else axis_name(axis)}"
    return arm.setting.rpartition("=")[2].replace("_", " ")


def axis_name(axis: str) -> str:
    """Returns how a scaling axis is called."""
    return AXES.get(axis, axis.replace("_", " "))


def points(value: float, digits: int = 1) -> str:
    """Returns a difference of shares in percentage points with its sign: +5.1, −0.3, 0.0."""
    if math.isnan(value):
        return MISSING
    text = f"{100 * value:+.{digits}f}".replace("-", MINUS)
    return text[1:] if float(text[1:]) == 0 else text


def signed_percent(share: float) -> str:
    """Returns by what share something is more or less: +2.0 %, −0.4 %."""
    return f"{points(share)}{NARROW_SPACE}%"


def cost_text(name: str, value: float) -> str:
    """Returns an entry of the ledger as it is read."""
    if math.isnan(value):
        return MISSING
    if name in ("seconds", "cpu_seconds"):
        return duration(value)
    if name == "kl":
        return f"{value:.3g}"
    if name == "peak_memory_mb":
        return f"{count(round(value))}{NARROW_SPACE}MB"
    return short_count(value)


def short_count(value: float) -> str:
    """Returns a count in at most four figures: 3 200, 410 k, 1.6 M."""
    if value >= 1e6:
        return f"{value / 1e6:.3g}{NARROW_SPACE}M"
    if value >= 1e4:
        return f"{value / 1e3:.3g}{NARROW_SPACE}k"
    return count(round(value))


def category_name(name: str) -> str:
    """Returns a category as people write it: color_attr becomes color attr."""
    return name.replace("_", " ")


def slug(name: str) -> str:
    """Returns a name as that of a file, or of something inside a page."""
    return re.sub(r"[^A-Za-z0-9+=.-]+", "-", name)


def _name(arm: Arm, with_reward: bool, with_setting: bool) -> str:
    if not arm.trained:
        return "base"
    parts = [algorithm_name(arm.arm)]
    if with_reward:
        parts.append(arm.reward)
    if with_setting and (setting := setting_name(arm)):
        parts.append(setting)
    return " · ".join(parts)
