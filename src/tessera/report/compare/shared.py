"""What several evaluations have in common, and every difference between them that a reader must know of."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tessera.errors import UserError
from tessera.report.compare.read import Evaluation
from tessera.report.numbers import MISSING, plural


@dataclass(frozen=True, kw_only=True, slots=True)
class Shared:
    """One benchmark that at least two evaluations have, with the prompts that all of these measured."""

    benchmark: str
    members: tuple[Evaluation, ...]  # in the given order; differences are to the first
    categories: tuple[str, ...]  # with shared prompts, in the order of the tables
    prompts: Mapping[str, str]  # id: category
    same_grader: bool  # else scores are of different measures, and nothing is subtracted

    @property
    def title(self) -> str:
        """What results are to be called: of a benchmark of the field, with what saw the pictures."""
        titles = dict.fromkeys(filter(None, (each.titles.get(self.benchmark, "") for each in self.members)))
        return f"{self.benchmark}: {', '.join(titles)}" if titles else self.benchmark


def share(evaluations: Sequence[Evaluation]) -> tuple[list[Shared], list[str]]:
    """Returns the benchmarks in common, and remarks, a sentence each."""
    names = dict.fromkeys(record.benchmark for each in evaluations for record in each.records.values())
    found: list[Shared] = []
    remarks = [_settings(evaluations)]
    for name in names:
        members = [each for each in evaluations if each.of(name)]
        lacking = [each.name for each in evaluations if each not in members]
        if len(members) < 2:
            remarks.append(f"Only {members[0].name} has {name}, so it is left out.")
            continue
        if lacking:
            remarks.append(f"{_listed(lacking)} {_have(lacking, 'no')} {name}.")
        shared, noted = _share_one(name, members)
        remarks += noted
        if shared is not None:
            found.append(shared)
    if not found:
        have = "; ".join(
            f"{each.name} has {_listed(list(each.categories)) or 'none'}" for each in evaluations
        )
        raise UserError(
            f"no prompt of any benchmark is in two of these evaluations ({have}); evaluate them on the same "
            "benchmarks with `tessera eval --benchmark`"
        )
    return found, remarks


def _share_one(name: str, members: Sequence[Evaluation]) -> tuple[Shared | None, list[str]]:
    asked = [
        {record.prompt_id: (record.prompt, record.category) for record in each.of(name)} for each in members
    ]
    known = [prompt for prompt in asked[0] if all(prompt in other for other in asked)]
    prompts = {
        prompt: asked[0][prompt][1]
        for prompt in known
        if all(other[prompt] == asked[0][prompt] for other in asked)
    }
    remarks = []
    if changed := len(known) - len(prompts):
        remarks.append(
            f"Of {name}, {plural(changed, 'prompt')} {'has' if changed == 1 else 'have'} the same id and "
            "another text, and so left the comparison."
        )
    if not prompts:
        remarks.append(f"{_listed([each.name for each in members])} share no prompt of {name}.")
        return None, remarks
    alone = [
        f"{each.name} has {len(mine) - len(prompts)} more"
        for each, mine in zip(members, asked, strict=True)
        if len(mine) > len(prompts)
    ]
    if alone:
        remarks.append(f"Of {name}, {plural(len(prompts), 'prompt')} are compared: {_listed(alone)}.")
    every = dict.fromkeys(category for each in members for category in each.categories.get(name, ()))
    every |= dict.fromkeys(prompts.values())
    categories = tuple(category for category in every if category in prompts.values())
    if len(categories) < len(every):
        left = [category for category in every if category not in categories]
        remarks.append(f"The overall score of {name} is without {_listed(left)}, which they do not share.")
    remarks += _draws(name, members, prompts)
    graders = [each.grader(name) for each in members]
    same_grader = len(set(graders)) == 1
    if not same_grader:
        digests = _values(members, [grader or "not recorded" for grader in graders])
        remarks.append(
            f"The pictures of {name} were judged by different graders ({digests}): scores are shown, and no "
            "difference is taken; grade them again with one grader to compare."
        )
    shared = Shared(
        benchmark=name,
        members=tuple(members),
        categories=categories,
        prompts=prompts,
        same_grader=same_grader,
    )
    return shared, remarks


def _draws(name: str, members: Sequence[Evaluation], prompts: Mapping[str, str]) -> list[str]:
    """Returns remarks on the pictures of the shared prompts: how many, from which seeds, which ungraded."""
    rows = [[record for record in each.of(name) if record.prompt_id in prompts] for each in members]
    counts = [f"{len(mine) / len(prompts):.4g}" for mine in rows]
    remarks = []
    if len(set(counts)) > 1:
        remarks.append(
            f"Of {name}, pictures per prompt differ ({_values(members, counts)}); "
            "each prompt counts once, by the mean of its pictures."
        )
    first = {(record.prompt_id, record.sample): record.seed for record in rows[0]}
    other = [
        each.name
        for each, mine in zip(members[1:], rows[1:], strict=True)
        if any(first.get((record.prompt_id, record.sample), record.seed) != record.seed for record in mine)
    ]
    if other:
        remarks.append(
            f"Of {name}, {_listed(other)} {'was' if len(other) == 1 else 'were'} drawn from other seeds than "
            f"{members[0].name}: differences are paired by prompt, not by draw."
        )
    for each, mine in zip(members, rows, strict=True):
        if missing := sum(math.isnan(record.grade.strict) for record in mine):
            remarks.append(
                f"Of {name}, {missing} of {plural(len(mine), 'picture')} of {each.name} could not be graded "
                "and are left out."
            )
    return remarks


def _settings(evaluations: Sequence[Evaluation]) -> str:
    """Returns one sentence on which settings differ, as far as config.json has them."""
    configs = [each.config for each in evaluations]
    readers = {
        "weights": [str(config.get("policy_digest", MISSING))[:8] for config in configs],
        "guidance": [_view(config, "guidance") for config in configs],
        "temperature": [_view(config, "temperature") for config in configs],
        "top-k": [_view(config, "top_k") for config in configs],
        "top-p": [_view(config, "top_p") for config in configs],
        "seed": [str(config.get("seed", MISSING)) for config in configs],
        "candidates": [str(config.get("best_of", 1)) for config in configs],
        "version of tessera": [str(config.get("tessera", MISSING)) for config in configs],
    }
    differ = {label: values for label, values in readers.items() if len(set(values)) > 1}
    if not differ:
        return "Weights, view, seed and version of tessera are the same."
    words = [f"{label} ({_values(evaluations, values)})" for label, values in differ.items()]
    sentence = f"They differ in {_listed(words)}"
    if "weights" in differ and differ.keys() & {"guidance", "temperature", "top-k", "top-p"}:
        return f"{sentence}: a difference between them is of weights and view together."
    if "version of tessera" in differ:
        return f"{sentence}: graders may have changed from one version to another."
    return f"{sentence}."


def _view(config: Mapping[str, Any], key: str) -> str:
    value = config.get("view", {}).get(key)
    return MISSING if value is None else f"{value:g}"


def _values(evaluations: Sequence[Evaluation], values: Sequence[str]) -> str:
    return ", ".join(f"{each.name}: {value}" for each, value in zip(evaluations, values, strict=True))


def _have(names: Sequence[str], what: str) -> str:
    return f"{'has' if len(names) == 1 else 'have'} {what}"


def _listed(words: Sequence[str]) -> str:
    """Returns the words as people list them: a, b and c."""
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1]))) if words else ""
