"""An evaluation in sentences: what came out, and how a picture and a mean are counted."""

import math
from collections.abc import Sequence

from tessera.report.evaluation.result import BenchmarkResult
from tessera.report.numbers import percent
from tessera.statistics.intervals import LEVEL, Estimate

SHOWS = "show everything their prompt asks for"


def reading(results: Sequence[BenchmarkResult]) -> str:
    """Returns the result in plain words; scores of different benchmarks are not ranked."""
    graded = [result for result in results if not math.isnan(result.overall.mean)]
    if not graded:
        return "Nothing could be graded, so there is no result."
    verdicts = [result for result in graded if result.measure.verdicts]
    sentences = [_of_verdicts(verdicts)] if verdicts else []
    sentences += [_of_scores(result) for result in graded if not result.measure.verdicts]
    # Of the field, kinds are clauses of its own prompts, and do not add up with other benchmarks'.
    own = [result for result in results if result.official is None]
    kinds = weakest_kinds(own)
    if kinds and (held := _held(own, kinds[0])) < _held(own, kinds[-1]):
        sentences.append(
            f"The kind of fact that breaks most often is {kinds[0]}: it holds in {percent(held)} of cases."
        )
    return " ".join(sentences)


def counting(results: Sequence[BenchmarkResult]) -> str:
    """Returns what the number of one picture is."""
    sentences = []
    if any(result.measure.has_facts for result in results):
        sentences.append(
            "A picture is right if it shows every fact of its prompt (strict); soft is the share of its "
            "facts that hold."
        )
    bare = [each.name for each in results if each.measure.verdicts and not each.measure.has_facts]
    scored = [each.name for each in results if not each.measure.verdicts]
    if bare:
        sentences.append(f"Of {', '.join(bare)}, a picture is right if the benchmark says so.")
    if scored:
        sentences.append(f"Of {', '.join(scored)}, a picture has the score that the benchmark gives it.")
    return " ".join(sentences)


def soft_end(results: Sequence[BenchmarkResult], *, share: str, score: str) -> str:
    """Returns what the wrong pictures of one end have: the largest share of facts, or the highest score."""
    verdicts = [result.measure for result in results if result.measure.verdicts]
    ends = [f"that hold the {share} share of their facts"] if any(m.has_facts for m in verdicts) else []
    if any(not measure.has_facts for measure in verdicts):
        ends.append(f"that have the {score} score")
    return " or ".join(ends)


def weakest_kinds(results: Sequence[BenchmarkResult]) -> list[str]:
    """Returns the kinds of facts, the one that holds least often over all benchmarks first."""
    kinds = dict.fromkeys(kind for r in results for kind, fact in r.facts.items() if fact.n > 0)
    return sorted(kinds, key=lambda kind: _held(results, kind))


def _held(results: Sequence[BenchmarkResult], kind: str) -> float:
    facts = [r.facts[kind] for r in results if kind in r.facts and r.facts[kind].n > 0]
    return sum(fact.share * fact.n for fact in facts) / sum(fact.n for fact in facts)


def _of_verdicts(graded: Sequence[BenchmarkResult]) -> str:
    inside = [r for r in graded if r.series == "in-domain"]
    outside = [r for r in graded if r.series == "out-of-domain"]
    ordered = sorted(graded, key=lambda r: r.overall.mean)
    worst, best = ordered[0], ordered[-1]
    shows = SHOWS if all(r.measure.has_facts for r in graded) else "are right"
    if len(graded) == 1:
        return f"On {best.name}, {_share(best.overall)} {shows}."
    if len(graded) == 2 and inside and outside:
        there = _share(outside[0].overall, short=True)
        return f"In domain, {_share(inside[0].overall)} {shows}; out of domain, {there}."
    if worst.overall.mean == best.overall.mean:
        return f"On each of {len(graded)} benchmarks, {100 * best.overall.mean:.0f} of 100 pictures {shows}."
    rank = "the harder of both" if len(graded) == 2 else f"the hardest of {len(graded)} benchmarks"
    return (
        f"On {best.name}, {_share(best.overall)} {shows}; on {worst.name}, {rank}, "
        f"{_share(worst.overall, short=True)}."
    )


def _of_scores(result: BenchmarkResult) -> str:
    score, unit = result.overall, result.measure.unit
    text = f"On {result.name}, pictures score {unit.alone(score.mean)} on average"
    if math.isnan(score.ci_low):
        return f"{text}."
    low, high = unit.value(score.ci_low), unit.value(score.ci_high)
    return f"{text} ({percent(LEVEL)} interval {low} to {high})."


def _share(estimate: Estimate, short: bool = False) -> str:
    """Returns e.g. "61 of 100 pictures (interval 57 to 65)"."""
    noun = "" if short else " pictures"
    text = f"{100 * estimate.mean:.0f} of 100{noun}"
    if math.isnan(estimate.ci_low):
        return text
    name = "" if short else f"{percent(LEVEL)} interval "
    return f"{text} ({name}{100 * estimate.ci_low:.0f} to {100 * estimate.ci_high:.0f})"
