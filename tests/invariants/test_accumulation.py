"""One batch of eight rows is eight batches of one, for every loss type: same gradient, same weights."""

from contextlib import nullcontext
from pathlib import Path

import pytest
import torch

from tessera.algorithms.base import Algorithm, Batch
from tessera.algorithms.dpo import DPO, DPOConfig
from tessera.algorithms.grpo import GRPO, GRPOConfig
from tessera.objective.preference import PreferenceType
from tessera.objective.surrogate import LossType
from tessera.training.distributed import Alone
from tessera.training.update import update
from tessera.types import View
from tests.tiny import context


@pytest.mark.parametrize("loss_type", ["grpo", "bnpo", "dr_grpo", "dapo", "cispo"])
@pytest.mark.parametrize("missing", [False, True])
def test_one_by_eight_is_eight_by_one(tmp_path: Path, loss_type: LossType, missing: bool) -> None:
    grpo = GRPO(GRPOConfig(prompts_per_step=2, group=4, loss_type=loss_type), View(guidance=2.0))
    batch = grpo.collect(context(tmp_path), 0)
    if missing:  # micro-batches of unequal counts, one of them empty
        batch.weight_BT[0], batch.weight_BT[5, 3:] = 0, 0
    same_in_pieces(tmp_path, grpo, batch)


@pytest.mark.parametrize("loss_type", ["sigmoid", "ipo", "simpo"])
def test_pairs_too(tmp_path: Path, loss_type: PreferenceType) -> None:
    dpo = DPO(DPOConfig(prompts=8, group=2, pairs_per_step=8, loss_type=loss_type), View(guidance=2.0), 1)
    here = context(tmp_path)
    same_in_pieces(tmp_path, dpo, dpo.batch(here, dpo.collect(here, 0), 0))


def same_in_pieces(tmp_path: Path, algorithm: Algorithm, batch: Batch) -> None:
    """Holds one step on the whole batch against steps on it in pieces of 1 and of 3 rows."""
    after = []
    for micro_batch in (8, 1, 3):
        here = context(tmp_path)
        parameters = [parameter for _, parameter in here.policy.trainable()]
        # Plain descent: Adam would hide a wrong scale of the gradient.
        metrics = update(
            torch.optim.SGD(parameters, lr=1.0),
            parameters,
            batch,
            lambda rows, here=here: algorithm.loss(here.policy, here.reference, rows),
            algorithm.count(batch),
            team=Alone(),
            micro_batch=micro_batch,
            max_grad_norm=1e9,
            autocast=nullcontext,
            check=algorithm.check,
        )
        after.append((metrics, [parameter.detach().clone() for parameter in parameters]))
    (metrics, weights), *others = after
    for other_metrics, other_weights in others:
        assert other_metrics == pytest.approx(metrics, rel=1e-4, abs=1e-6)
        for one, other in zip(weights, other_weights, strict=True):
            torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-5)
