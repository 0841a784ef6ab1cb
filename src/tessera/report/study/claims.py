"""The claims under test, in words, each with where it was made and the numbers published for it.

*The paper* is Tong, Guo et al., "Delving into RL for Image Generation with CoT: A Study on DPO vs. GRPO"
(arXiv 2505.17017, 2025), on Janus-Pro: in domain T2I-CompBench, out of domain GenEval. Its tables could not
be read here, so only what its abstract or a named second source says is quoted. A claim without a published
number has none here.
"""

from dataclasses import dataclass

from tessera.report.study.names import algorithm_name, axis_name

ABSTRACT = "arXiv 2505.17017, abstract"
SUMMARIES = "arXiv 2505.17017, as summarised by third parties"
OWN = "a question of this study, not a claim of the paper"
STRATEGIES = f"{ABSTRACT}: three scaling strategies can lift both domains (which three could not be read)"
ITERATED = "arXiv 2501.13926, Table 3"

# Totals of Janus-Pro trained on three rewards, from the README of CodeGoat24/UnifiedReward; the benchmark is
# not named there, and is GenEval by its size. HPS, ImageReward, UnifiedReward:
README_DPO = (77.3, 77.7, 80.0)
README_GRPO = (79.2, 79.3, 81.0)
README_BEST_OF_4 = (82.1, 82.4, 84.5)
README_SOURCE = "README of CodeGoat24/UnifiedReward; benchmark not named, GenEval by its size"

# Axes of this study that can be among the three; the length of training is none of them.
STUDIED = ("samples", "prompts", "rounds")

GROUPS = {
    "domains": "DPO or GRPO, in and out of domain",
    "rewards": "The reward decides how a policy generalises",
    "scaling": "What scaling buys",
    "inference": "Train, or draw several and choose?",
    "variety": "What training does to variety",
    "learning": "Does training help at all?",
}
SERIES_WORDS = {"in-domain": "in domain", "out-of-domain": "out of domain"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """A statement that data can support or contradict. `published` is empty where no number is known."""

    key: str
    group: str
    statement: str
    source: str
    published: str = ""


def learning(algorithm: str, series: str) -> Claim:
    """Returns the claim that training gains something over the base."""
    return Claim(
        key=f"{algorithm}-learns-{series}",
        group="learning",
        statement=f"{algorithm.upper()} improves on the base {SERIES_WORDS[series]}.",
        source=OWN,
        published=_SIBLINGS.get((algorithm, series), ""),
    )


_SIBLINGS = {
    ("grpo", "in-domain"): (
        "+13.9 / +23.2 / +25.2 points on color / shape / texture of T2I-CompBench (Janus-Pro-7B, GRPO on "
        "image tokens; arXiv 2505.00703, Table 4, another study)"
    ),
    ("dpo", "out-of-domain"): (
        "+3 points on GenEval, 80 to 83 (Janus-Pro-7B; arXiv 2501.13926, Table 4, another study, which "
        "trains on prompts of GenEval’s templates)"
    ),
}


def ahead(series: str, average: int = 0) -> Claim:
    """Returns the paper's first claim for one domain, over so many rewards; 0 is the exact one alone."""
    over = f", on average over {average} rewards" if average else ", trained on the exact verifier"
    suffix = "-average" if average else ""
    if series == "in-domain":
        return Claim(
            key=f"dpo-ahead-in-domain{suffix}",
            group="domains",
            statement=f"In domain, DPO ends ahead of GRPO{over}.",
            source=SUMMARIES,
            published="DPO ahead by 11.53 % on average on T2I-CompBench (second source; whether points or "
            "relative is not said)",
        )
    gaps = " / ".join(f"{grpo - dpo:+.1f}" for grpo, dpo in zip(README_GRPO, README_DPO, strict=True))
    return Claim(
        key=f"grpo-ahead-out-of-domain{suffix}",
        group="domains",
        statement=f"Out of domain, GRPO ends ahead of DPO{over}.",
        source=SUMMARIES,
        published=f"{gaps} points with HPS / ImageReward / UnifiedReward ({README_SOURCE})",
    )


def reward_generalises(algorithm: str) -> Claim:
    """Returns the paper's second claim: rewards that generalise better make policies that do."""
    policy = README_DPO if algorithm == "dpo" else README_GRPO
    totals = "; ".join(
        f"{name} {' / '.join(f'{value:.1f}' for value in values)}"
        for name, values in (("best of 4", README_BEST_OF_4), (algorithm.upper(), policy))
    )
    return Claim(
        key=f"reward-generalises-{algorithm}",
        group="rewards",
        statement="Out of domain, the better a reward chooses among the base’s pictures, the better the "
        f"policy that {algorithm.upper()} trains on it.",
        source=ABSTRACT,
        published=f"the same order over HPS / ImageReward / UnifiedReward: {totals} ({README_SOURCE})",
    )


def robust(reward: str) -> Claim:
    """Returns the claim that one algorithm stands a judge's faults better than the other."""
    return Claim(
        key=f"grpo-robust-to-{reward}",
        group="rewards",
        statement=f"Trained on {reward} instead of the exact verifier, GRPO loses less than DPO out of "
        "domain.",
        source=OWN,
    )


def scaling(arm: str, axis: str, series: str, *, growing: bool = False) -> Claim:
    """Returns the claim that more of something lifts one arm in one domain; `growing`: and costs more."""
    lifts = f"ore {axis_name(axis)} lift {algorithm_name(arm)} {SERIES_WORDS[series]}."
    return Claim(
        key=f"{axis}-lifts-{arm}-{series}{'-growing' if growing else ''}",
        group="scaling",
        statement=f"At growing compute, m{lifts}" if growing else f"M{lifts}",
        source=STRATEGIES if axis in STUDIED else OWN,
    )


def iterating(algorithm: str, series: str) -> Claim:
    """Returns the claim that training in rounds improves on a single one."""
    known = algorithm == "dpo" and series == "out-of-domain"
    return Claim(
        key=f"iterating-lifts-{algorithm}-{series}",
        group="scaling",
        statement=f"Iterating lifts {algorithm.upper()} {SERIES_WORDS[series]}.",
        source=STRATEGIES,
        published=f"62 to 65 on GenEval (Show-o 256 px; {ITERATED}, another study)" if known else "",
    )


def trained_ahead(arm: str, reward: str, chooser: str, n: int, series: str) -> Claim:
    """Returns the claim that one picture of a trained policy beats the choice from n of the base's."""
    return Claim(
        key=f"{arm}-{reward}-once-ahead-of-best-of-{n}-{chooser}-{series}",
        group="inference",
        statement=f"{SERIES_WORDS[series].capitalize()}, {algorithm_name(arm)} trained on {reward} and "
        f"drawing once is ahead of the base drawing {n} of which {chooser} takes one.",
        source=OWN,
        published=_CHOOSING.get((arm, series), ""),
    )


def ahead_at_equal_inference(arm: str, reward: str, chooser: str, n: int, series: str) -> Claim:
    """Returns the claim that a trained policy beats the base where both draw n and one is taken."""
    return Claim(
        key=f"{arm}-{reward}-ahead-at-best-of-{n}-{chooser}-{series}",
        group="inference",
        statement=f"{SERIES_WORDS[series].capitalize()} at equal inference ({n} drawn, {chooser} takes one), "
        f"{algorithm_name(arm)} trained on {reward} is ahead of the base.",
        source=OWN,
    )


def choosing_gains_on_top(arm: str, reward: str, chooser: str, n: int, series: str) -> Claim:
    """Returns the claim that choosing among a trained policy's pictures gains over taking the first."""
    return Claim(
        key=f"best-of-{n}-{chooser}-gains-on-{arm}-{reward}-{series}",
        group="inference",
        statement=f"{SERIES_WORDS[series].capitalize()}, best of {n} by {chooser} still gains on top of "
        f"{algorithm_name(arm)} trained on {reward}.",
        source=OWN,
        published=(
            "65 to 72 on GenEval: iterated DPO, then best of 20 by its fine-tuned judge (Show-o 256 px; "
            f"{ITERATED}, another study)"
        )
        if (arm, series) == ("dpo", "out-of-domain")
        else "",
    )


_CHOOSING = {
    ("grpo", "out-of-domain"): (
        f"{' / '.join(map(str, README_GRPO))} against best of 4 at {' / '.join(map(str, README_BEST_OF_4))} "
        f"with HPS / ImageReward / UnifiedReward ({README_SOURCE})"
    ),
    ("dpo", "out-of-domain"): (
        f"{' / '.join(map(str, README_DPO))} against best of 4 at {' / '.join(map(str, README_BEST_OF_4))} "
        f"with HPS / ImageReward / UnifiedReward ({README_SOURCE}); 83 against best of 20 at 89 on GenEval "
        "(Janus-Pro-7B, fine-tuned judge; arXiv 2501.13926, Table 4, another study)"
    ),
}


def loses_variety(arm: str, series: str) -> Claim:
    """Returns the claim that training makes the pictures of one prompt more alike."""
    return Claim(
        key=f"{arm}-reduces-diversity-{series}",
        group="variety",
        statement=f"{algorithm_name(arm)} reduces diversity {SERIES_WORDS[series]}: two pictures of a prompt "
        "differ in fewer tokens.",
        source=OWN,
        published=(
            "Vendi score over 10 pictures of a prompt 6.98 to 6.26 (Janus-Pro-7B, GRPO on image tokens; "
            "arXiv 2505.00703, Table 4, another study)"
        )
        if (arm, series) == ("grpo", "in-domain")
        else "",
    )
