"""Sums with their counts: how values per token become a loss that adds up over micro-batches and processes.

A mean over a batch is cut in two. Here a micro-batch makes (sum, count); the update divides, once, by the
count of all micro-batches on all processes. Hence one batch of eight is eight batches of one, to rounding,
whichever reduction below is used and whatever is masked.

Weights do the work of masks: 0 leaves a token out, of the sum and of the count alike. A value is not looked
at where its weight is 0, so it may be NaN there; its gradient is 0 as long as whatever made the value has a
finite derivative there.

Axes: B rows (pictures), T tokens.
"""

from collections.abc import Iterable, Sequence
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from tessera.tensors import LossTerm, Tally


@runtime_checkable  # so that tests check arguments at run time
class TokenWeighting(Protocol):
    """How much each token counts, from what the rollout recorded. The weights need not average 1.

    It sees nothing that a forward pass makes: the global count is wanted before the first one.
    """

    def __call__(
        self, tokens_BT: Int[Tensor, "B T"], old_logp_BT: Float[Tensor, "B T"], /
    ) -> Float[Tensor, "B T"]: ...


def uniform_weighting(
    tokens_BT: Int[Tensor, "B T"],  # noqa: ARG001 - every weighting is asked the same way
    old_logp_BT: Float[Tensor, "B T"],
) -> Float[Tensor, "B T"]:
    """The `TokenWeighting` under which all tokens are equal."""
    return torch.ones_like(old_logp_BT)


def token_weights(
    weighting: TokenWeighting,
    tokens_BT: Int[Tensor, "B T"],
    old_logp_BT: Float[Tensor, "B T"],
    mask_BT: Bool[Tensor, "B T"],
) -> Float[Tensor, "B T"]:
    """Returns the weights inside the mask and 0 outside; negative and non-finite ones are refused."""
    weight_BT = torch.where(mask_BT, weighting(tokens_BT, old_logp_BT), 0.0)
    if not (torch.isfinite(weight_BT) & (weight_BT >= 0)).all():
        raise ValueError("a token weighting must give finite numbers that are 0 or more inside the mask")
    return weight_BT


# --- (sum, count) -------------------------------------------------------------------------------------------


def token_mean(value_BT: Float[Tensor, "B T"], weight_BT: Float[Tensor, "B T"]) -> Tally:
    """Returns (sum of w x, sum of w): every token weighs the same, wherever it stands."""
    return Tally(sum=_row_sums(value_BT, weight_BT).sum(), count=weight_BT.sum())


def sequence_mean(value_BT: Float[Tensor, "B T"], weight_BT: Float[Tensor, "B T"]) -> Tally:
    """Returns (sum over rows of the row's weighted mean, rows with any weight): every row weighs the same."""
    total_B = weight_BT.sum(dim=1)
    mean_B = _row_sums(value_BT, weight_BT) / torch.where(total_B > 0, total_B, 1.0)
    return Tally(sum=mean_B.sum(), count=row_count(weight_BT))


def constant_mean(value_BT: Float[Tensor, "B T"], weight_BT: Float[Tensor, "B T"], length: int) -> Tally:
    """Returns (sum of w x / length, rows with any weight): a constant stands for every row's length."""
    return Tally(sum=_row_sums(value_BT, weight_BT).sum() / length, count=row_count(weight_BT))


def row_count(weight_BT: Float[Tensor, "B T"]) -> Float[Tensor, ""]:
    """Returns the number of rows with any weight; a row without leaves the mean."""
    return (weight_BT > 0).any(dim=1).sum().to(weight_BT.dtype)


def tally(value: Float[Tensor, "*N"], mask: Bool[Tensor, "*N"] | None = None) -> Tally:
    """Returns the sum and count of the values inside the mask, without gradient: a metric."""
    kept = value.detach() if mask is None else value.detach()[mask]
    return Tally(sum=kept.sum(), count=kept.new_tensor(float(kept.numel())))


def _row_sums(value_BT: Float[Tensor, "B T"], weight_BT: Float[Tensor, "B T"]) -> Float[Tensor, " B"]:
    """Returns each row's weighted sum; `where` first, as NaN times 0 is NaN."""
    return (torch.where(weight_BT > 0, value_BT, 0.0) * weight_BT).sum(dim=1)


# --- adding up ----------------------------------------------------------------------------------------------


def add_tallies(tallies: Iterable[Tally]) -> Tally:
    """Returns one tally of what all of them counted."""
    first, *rest = tallies
    total, count = first.sum, first.count
    for each in rest:
        total, count = total + each.sum, count + each.count
    return Tally(sum=total, count=count)


def add_terms(terms: Sequence[LossTerm]) -> LossTerm:
    """Returns the term of several micro-batches together; a metric adds up over those that have it."""
    names = dict.fromkeys(name for term in terms for name in term.metrics)
    loss = add_tallies(Tally(sum=term.sum, count=term.count) for term in terms)
    metrics = {name: add_tallies(t.metrics[name] for t in terms if name in t.metrics) for name in names}
    return LossTerm(sum=loss.sum, count=loss.count, metrics=metrics)


def mix_terms(weighted: Sequence[tuple[float, LossTerm]]) -> LossTerm:
    """Returns the weighted sum of several losses on the same batch, as one term.

    They must count the same things, for one division to be right for all; add losses of another count per
    token or per row before they are reduced. Metrics of one name must not meet.
    """
    (_, first), *_ = weighted
    metrics: dict[str, Tally] = {}
    for _, term in weighted:
        if not torch.equal(term.count, first.count):
            raise ValueError(
                f"losses that count {first.count.item():g} and {term.count.item():g} cannot share a "
                "division; add them per token or per row before reducing"
            )
        if doubled := metrics.keys() & term.metrics.keys():
            raise ValueError(f"two losses report the metric {min(doubled)!r}; rename one")
        metrics.update(term.metrics)
    total = torch.stack([weight * term.sum for weight, term in weighted]).sum()
    return LossTerm(sum=total, count=first.count, metrics=metrics)
