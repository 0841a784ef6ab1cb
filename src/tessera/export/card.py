"""The model card: README.md with the front matter of the hub. It says what the run recorded, and no more."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tessera.export.results import Measured, Row
from tessera.export.terms import Terms

FAMILIES = {"janus": "Janus-Pro", "llamagen": "LlamaGen", "emu3": "Emu3", "mosaic": "mosaic"}
CLASSES = {"janus": "JanusForConditionalGeneration", "emu3": "Emu3ForConditionalGeneration"}
SPENT = ("reward_calls", "tokens_sampled", "tokens_scored", "tokens_trained")  # of the ledger
NOT_KNOWN = "not recorded"


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """All that a card says."""

    name: str  # of the folder
    family: str
    base_model: str  # a hub id; "": not known
    chained: bool  # whether the run began with what an earlier run had made of the base
    terms: Terms
    version: str  # of this package
    config: Mapping[str, Any]  # of the run
    step: int
    images: int
    seconds: float
    spent: Mapping[str, float]
    settings: Mapping[str, Any]  # of the policy, which its weights do not tell
    digest: str
    dtype: str
    adapter: bool  # whether the folder adapter/ is there
    copied: Sequence[str]  # files of the base
    measured: Sequence[Measured]


def model_card(facts: Facts) -> str:
    """Returns the text of README.md."""
    parts = (
        _front(facts),
        _head(facts),
        _use(facts),
        _training(facts),
        _results(facts),
        _limits(facts),
        _terms(facts),
    )
    return "\n".join(line for part in parts for line in part)


def _front(facts: Facts) -> Iterator[str]:
    algorithm = str(facts.config.get("algorithm", {}).get("kind", ""))
    yield "---"
    if facts.base_model:
        yield f"base_model: {facts.base_model}"
        yield "base_model_relation: finetune"
    yield f"license: {facts.terms.id}"
    if facts.terms.id == "other":
        yield f"license_name: {json.dumps(facts.terms.name)}"
    yield f"library_name: {'transformers' if facts.family in CLASSES else 'tessera'}"
    yield "pipeline_tag: text-to-image"
    yield "tags:"
    yield from (
        f"- {tag}" for tag in ("text-to-image", "reinforcement-learning", "tessera", algorithm) if tag
    )
    yield "---"
    yield ""


def _head(facts: Facts) -> Iterator[str]:
    kind = str(facts.config.get("algorithm", {}).get("kind", "reinforcement learning")).upper()
    base = facts.base_model or f"a {FAMILIES.get(facts.family, facts.family)} model"
    lora = bool(facts.config.get("adapter"))
    how = "a low-rank adapter, merged into the weights" if lora else "the weights themselves"
    yield f"# {facts.name}"
    yield ""
    yield f"An autoregressive text-to-image model: {base} after {facts.step} steps of {kind}, which trained"
    yield f"{how}. Made with Tessera {facts.version}. The weights are in {facts.dtype}; the digest of the"
    yield f"policy, as results have it, is `{facts.digest}`."
    if facts.chained:
        yield "The run began with what an earlier run had made of that base; that one is not described here."
    yield ""


def _use(facts: Facts) -> Iterator[str]:
    yield "## Use"
    yield ""
    if facts.family in CLASSES:
        name = CLASSES[facts.family]
        yield "```python"
        yield f"from transformers import {name}"
        yield ""
        yield f'model = {name}.from_pretrained("{facts.name}")'
        yield "```"
        yield ""
    if facts.family == "llamagen":
        yield "`gpt.safetensors` and `vq.safetensors` have the names and shapes of LlamaGen's own files;"
        yield "`llamagen.json` says what weights do not tell. As a policy of a Tessera run, in its TOML file:"
        yield '`policy = {kind = "llamagen", gpt = "...", vq = "...", image_size = ...}`.'
    else:
        yield f'`tessera sample --policy {facts.name} --prompt "..." --out pictures`'
    yield ""
    if facts.copied:
        yield f"Copied from the base as they are: {', '.join(f'`{name}`' for name in facts.copied)}."
        yield ""
    elif facts.family in CLASSES:
        yield "The files of the processor are not here; take them from the base."
        yield ""
    if facts.adapter:
        yield "`adapter/` is the adapter alone, as peft saves one:"
        yield '`peft.PeftModel.from_pretrained(base, "adapter")`.'
        yield ""


def _training(facts: Facts) -> Iterator[str]:
    config = facts.config
    yield "## Training"
    yield ""
    rows = {
        "recipe": config.get("recipe"),
        "digest of the configuration": config.get("config_digest"),
        "digest of the base": config.get("policy_digest"),
        "algorithm": _plain(config.get("algorithm")),
        "rounds": _plain(config["iterated"]) if config.get("iterated") else None,
        "adapter": _plain(config["adapter"]) if config.get("adapter") else None,
        "optimizer": _plain(config.get("optimizer")),
        "precision of training": config.get("precision"),
        "steps": f"{facts.step} of {config.get('steps', NOT_KNOWN)}",
        "prompts": config.get("prompts"),
        "digest of the prompts": config.get("prompts_digest"),
        "reward": _plain(config.get("reward")),
        "digest of the reward": config.get("reward_digest"),
        "settings of the policy": _plain(facts.settings) or None,
        "pictures drawn under": _plain(config.get("drawn_view")),
        "pictures sampled for training": facts.images,
        **{name.replace("_", " "): f"{round(facts.spent[name]):,}" for name in SPENT if name in facts.spent},
        "seconds of training": f"{facts.spent['seconds']:,.1f}" if "seconds" in facts.spent else None,
        "seconds with measurements": f"{facts.seconds:,.1f}",
        "seed": config.get("seed"),
    }
    yield "| what | value |"
    yield "|---|---|"
    yield from (f"| {name} | {_cell(value)} |" for name, value in rows.items() if value is not None)
    yield ""
    if command := config.get("command"):
        yield f"Command: `{command}`"
        yield ""
    overlap = config.get("overlap")
    yield overlap or "The run noted no overlap of its reward or prompts with what it was watched on."
    yield ""


def _results(facts: Facts) -> Iterator[str]:
    yield "## Results"
    yield ""
    rows = [row for each in facts.measured for row in each.rows]
    if not rows:
        yield "None are given here. No claim is made about this model's quality."
        yield ""
        return
    yield "Means over prompts (over pictures, where questions are answered), with 95 % intervals."
    yield "Each benchmark has its own unit."
    yield ""
    yield "| model | benchmark | category | score | 95 % interval | n | graded | missing |"
    yield "|---|---|---|---|---|---|---|---|"
    yield from (_row(row) for row in rows)
    yield ""
    yield from (
        f"- {each.how} `{each.command}`" if each.command else f"- {each.how}" for each in facts.measured
    )
    yield ""


def _limits(facts: Facts) -> Iterator[str]:
    yield "## Intended use and limits"
    yield ""
    yield "- Meant for research on the reinforcement learning of image models."
    yield "- It was trained to raise one reward. A higher reward is not by itself a better picture: a reward"
    yield "  can be pleased in ways that people do not value."
    yield "- What is not in the table above was not measured here: not safety, bias or memorised pictures."
    yield "- It keeps the limits of its base, whose training data this run did not choose."
    if facts.family == "janus":
        read = any(row.benchmark == "reading pictures" for each in facts.measured for row in each.rows)
        yield "- The base also reads pictures, with the weights that were trained. " + (
            "The table says how well it still does." if read else "Whether it still does was not measured."
        )
    yield ""


def _terms(facts: Facts) -> Iterator[str]:
    yield "## Licence"
    yield ""
    yield f"The weights keep the terms of their base: {facts.terms.name}. {facts.terms.note}".rstrip()
    yield "Read the terms at the base's own page before you use or pass on these weights."
    yield ""


def _row(row: Row) -> str:
    mean, low, high = (_number(row.estimate[key]) for key in ("mean", "ci_low", "ci_high"))
    counts = ("" if each is None else str(each) for each in (row.graded, row.missing))
    category = row.category or "overall"
    cells = (row.whose, row.benchmark, category, mean, f"{low} to {high}", str(row.estimate["n"]), *counts)
    return f"| {' | '.join(cells)} |"


def _number(value: float | None) -> str:
    return "not known" if value is None else f"{value:.4g}"


def _plain(value: Any) -> str | None:
    """Returns settings in one line: key=value, those that are unset left out."""
    if not isinstance(value, Mapping):
        return None if value is None else json.dumps(value)
    return ", ".join(
        f"{key}={each if isinstance(each, str) else json.dumps(each)}"
        for key, each in value.items()
        if each is not None
    )


def _cell(value: Any) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")
