"""A step by phase, and the plain step beside it: the same gradient, or no timing."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from tessera.algorithms.grpo import GRPO, GRPOConfig
from tessera.bench.limits import Limits
from tessera.bench.plain_step import plain_logp
from tessera.bench.ratio import OUR_PRODUCTS
from tessera.bench.steps import Operations, Precision, Work, checked
from tessera.bench.train import PLAIN, PLAIN_FLOAT32, bench_train
from tessera.policies.base import PolicyModule
from tessera.policies.reference import frozen_copy
from tessera.rewards.noise import NoiseReward
from tessera.rewards.plain import Plain
from tessera.sampling.replay import replay_logp
from tessera.types import Prompt, View
from tests.contracts.janus import tiny_janus
from tests.contracts.policies import tiny_mosaic

PROMPTS = [Prompt(id=text, text=text) for text in ("a photo of a red circle", "a photo of a blue star")]
LIMITS = Limits(bytes_per_second=1e10, flops=1e11)


@pytest.mark.parametrize("guidance", [1.0, 3.0])
def test_one_branch_after_the_other_gives_the_log_probabilities_of_both_at_once(guidance: float) -> None:
    policy, view = tiny_janus(), View(guidance=guidance)
    text = policy.tokenize([prompt.text for prompt in PROMPTS])
    tokens_BT = torch.randint(policy.spec.codebook, (2, policy.spec.tokens))
    ours_BT = replay_logp(policy, text, tokens_BT, view)
    assert torch.allclose(plain_logp(policy, text, tokens_BT, view), ours_BT, atol=1e-4)


@pytest.mark.parametrize("logp_view", ["guided", "conditional"])
@pytest.mark.parametrize("build", [tiny_mosaic, tiny_janus])
def test_phases_and_ratios_are_of_the_same_rounds_and_no_weight_moves(
    build: Callable[[], PolicyModule], logp_view: str
) -> None:
    policy = build()
    before = policy.digest()
    result = bench_train(
        policy,
        Plain(NoiseReward()),
        PROMPTS,
        LIMITS,
        group=2,
        micro_batch=3,
        logp_view=logp_view,  # pyright: ignore[reportArgumentType] - from a list of words
        precision="float32",
        lora=None,
        recompute=False,
        repeats=1,
    )
    seconds = {name: each["median"] for name, each in result["seconds"].items()}
    expected = seconds["plain loop"] / seconds["ours"]
    assert result["ratio_vs_plain_loop"]["median"] == pytest.approx(expected)
    assert sum(result["phases"].values()) == pytest.approx(seconds["ours"])
    assert result["images_per_second"] == pytest.approx(4 / seconds["ours"])
    assert result["share_of_products"]["update"] > 0
    assert min(result["flops"].values()) > 0
    assert {name for name in seconds if not name.endswith(OUR_PRODUCTS)} == {"ours", PLAIN}
    assert result["ratio_vs_plain_loop_float32"] is None
    assert policy.digest() == before


@pytest.mark.parametrize("build", [tiny_mosaic, tiny_janus])
def test_with_an_adapter_both_loops_learn_it_alone_and_find_the_same_gradient(
    build: Callable[[], PolicyModule],
) -> None:
    policy = build()
    result = bench_train(
        policy,
        Plain(NoiseReward()),
        PROMPTS,
        LIMITS,
        group=2,
        micro_batch=2,
        logp_view="guided",
        precision="float32",
        lora=2,
        recompute=True,
        repeats=1,
    )
    assert (result["lora"], result["recompute"]) == (2, True)
    learnt = [name for name, parameter in policy.named_parameters() if parameter.grad is not None]
    assert learnt
    assert all(".lora_" in name for name in learnt)


@pytest.mark.parametrize("build", [tiny_mosaic, tiny_janus])
def test_under_bfloat16_both_loops_learn_in_it_and_the_plain_one_in_float32_stands_beside(
    build: Callable[[], PolicyModule],
) -> None:
    policy = build()
    learnt: set[torch.dtype] = set()

    def note(module: torch.nn.Module, given: object, out: torch.Tensor) -> None:
        if torch.is_grad_enabled():
            learnt.add(out.dtype)

    hooks = [
        each.register_forward_hook(note) for each in policy.modules() if isinstance(each, torch.nn.Linear)
    ]
    result = bench_train(
        policy,
        Plain(NoiseReward()),
        PROMPTS,
        LIMITS,
        group=2,
        micro_batch=4,
        logp_view="guided",
        precision="bfloat16",
        lora=None,
        recompute=False,
        repeats=1,
    )
    for hook in hooks:
        hook.remove()
    assert result["precision"] == "bfloat16"
    timed = {name for name in result["seconds"] if not name.endswith(OUR_PRODUCTS)}
    assert timed == {"ours", PLAIN, PLAIN_FLOAT32}
    other = result["seconds"][PLAIN_FLOAT32]["median"] / result["seconds"]["ours"]["median"]
    assert result["ratio_vs_plain_loop_float32"]["median"] == pytest.approx(other)
    assert learnt == {torch.bfloat16, torch.float32}


@pytest.mark.parametrize(
    ("precision", "expected"), [("float32", torch.float32), ("bfloat16", torch.bfloat16)]
)
def test_the_precision_is_that_of_products_in_a_forward_pass(
    precision: Precision, expected: torch.dtype
) -> None:
    policy = tiny_mosaic()
    work = Work(
        policy=policy,
        reference=policy,
        reward=Plain(NoiseReward()),
        prompts=PROMPTS,
        grpo=GRPO(GRPOConfig(prompts_per_step=2, group=2), View(guidance=2.0)),
        optimizer=torch.optim.AdamW([parameter for _, parameter in policy.trainable()], lr=0.0),
        micro_batch=4,
        precision=precision,
    )
    left, right = torch.ones(2, 2, 2)
    with work.autocast():
        assert (left @ right).dtype == work.dtype == expected
    with work.autocast(on=False):
        assert (left @ right).dtype == torch.float32


def test_a_loop_with_another_gradient_is_not_timed() -> None:
    """Ours pulls to a reference elsewhere by k2, the plain loop knows k3 alone."""
    policy = tiny_mosaic()
    reference = frozen_copy(policy)
    with torch.no_grad():
        for _, parameter in reference.trainable():
            parameter.mul_(1.5)
    work = Work(
        policy=policy,
        reference=reference,
        reward=Plain(NoiseReward()),
        prompts=PROMPTS,
        grpo=GRPO(GRPOConfig(prompts_per_step=2, group=2, kl_weight=1.0), View(guidance=2.0)),
        optimizer=torch.optim.AdamW([parameter for _, parameter in policy.trainable()], lr=0.0),
        micro_batch=4,
        precision="float32",
    )
    assert checked(work)["update"] > 0
    other = GRPO(GRPOConfig(prompts_per_step=2, group=2, kl_weight=1.0, kl="k2"), View(guidance=2.0))
    with pytest.raises(ValueError, match="do not compute the same"):
        checked(replace(work, grpo=other))


@pytest.mark.parametrize("inference", [False, True])
def test_operations_are_those_of_the_products(inference: bool) -> None:
    """By hand: 3 x 4 by 4 x 5 takes 2 * 60 operations, and each of the two gradients as many."""
    left, layer = torch.randn(3, 4, requires_grad=True), torch.nn.Linear(4, 5, bias=False)
    with torch.inference_mode(inference), Operations() as counted:
        made = layer(left)
        if not inference:
            made.sum().backward()
    assert counted.total == (120 if inference else 3 * 120)
