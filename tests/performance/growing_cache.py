"""Images per second of the sampler against a plain loop with a growing cache, same policy, same run.

    OMP_NUM_THREADS=1 python -m tests.performance.growing_cache

The plain loop is what the field's image-RL code does (T2I-R1 and its kin): keys and values concatenated at
every step, every row's prompt read again, a mask grown by one per step, both branches' full logits computed
and then mixed. It draws the same tokens from the same numbers, so only the work differs.
"""

import argparse
import statistics
import time

import torch
from jaxtyping import Float64, Int
from torch import Tensor
from torch.nn import functional as F

from tessera.objective.policy import draw_tokens, log_distribution, mix_guidance
from tessera.policies.load import read_shipped
from tessera.policies.mosaic.policy import MosaicPolicy
from tessera.rng import rollout_seed, uniforms
from tessera.sampling.decode import decode_rows
from tessera.types import View
from tessera.world.prompts import prompt_set


@torch.no_grad()
def plain_loop(
    policy: MosaicPolicy, prompts_B: list[str], uniform_BT: Float64[Tensor, "B T"], view: View
) -> Int[Tensor, "B T"]:
    """Returns the tokens that a loop with a growing cache draws."""
    net = policy.transformer
    text = policy.tokenize(prompts_B)
    text = text.cat(policy.null_like(text))
    positions_SD = net._positions()
    x_RSD = net._prefix_input(text.ids) + positions_SD[: net.prefix]
    mask = torch.ones(len(text), net.prefix, dtype=torch.bool)
    past: list[tuple[Tensor, Tensor]] = []
    tokens: list[Tensor] = []
    for index in range(policy.spec.tokens):
        for number, layer in enumerate(net._stack):
            q, k, v = layer._split(layer.qkv(layer.norm_attention(x_RSD)))
            if index:
                k = torch.cat([past[number][0], k], dim=2)
                v = torch.cat([past[number][1], v], dim=2)
                past[number] = (k, v)
                mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask[:, None, None])
            else:
                past.append((k, v))
                mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            x_RSD = layer._finish(x_RSD, mixed.transpose(1, 2).flatten(2))
        logits_RV = policy.head(net.norm(x_RSD))[:, -1]
        conditional, null = logits_RV.chunk(2)
        logp_BV = log_distribution(mix_guidance(conditional, null, view.guidance), view)
        tokens.append(draw_tokens(logp_BV, uniform_BT[:, index]))
        if index + 1 < policy.spec.tokens:
            fed_R = torch.cat([tokens[-1], tokens[-1]])
            x_RSD = net.image_embedding(fed_R)[:, None] + positions_SD[net.prefix + index]
            mask = torch.cat([mask, torch.ones(len(text), 1, dtype=torch.bool)], dim=1)
    return torch.stack(tokens, dim=1)


def main() -> None:
    """Prints images per second of both, medians, and their ratio pair by pair."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=64)
    parser.add_argument("--group", type=int, default=8, help="samples per prompt")
    parser.add_argument("--repeats", type=int, default=5)
    flags = parser.parse_args()
    torch.set_num_threads(1)
    policy = read_shipped()
    view = policy.spec.default_view
    texts = [prompt.text for prompt in prompt_set("id", "val", 20)][: flags.rows // flags.group]
    prompts_B = [text for text in texts for _ in range(flags.group)]
    seeds = [rollout_seed(0, text, row) for row, text in enumerate(prompts_B)]
    uniform_BT = torch.from_numpy(uniforms(seeds, policy.spec.tokens))
    rows_B = torch.arange(len(texts)).repeat_interleave(flags.group)
    ours, theirs = [], []
    for repeat in range(flags.repeats + 1):
        start = time.perf_counter()
        tokens_BT, _ = decode_rows(policy, policy.tokenize(texts), rows_B, uniform_BT, view)
        middle = time.perf_counter()
        plain_BT = plain_loop(policy, prompts_B, uniform_BT, view)
        end = time.perf_counter()
        assert torch.equal(tokens_BT, plain_BT), "both loops must draw the same tokens"
        if repeat:  # the first pair warms up
            ours.append(len(prompts_B) / (middle - start))
            theirs.append(len(prompts_B) / (end - middle))
    ratios = sorted(a / b for a, b in zip(ours, theirs, strict=True))
    print(f"{len(prompts_B)} rows, {len(texts)} prompts, guidance {view.guidance}, 1 thread")
    print(f"sampler      {statistics.median(ours):7.1f} images/s")
    print(f"plain loop   {statistics.median(theirs):7.1f} images/s")
    print(f"ratio        {statistics.median(ratios):7.2f}  ({ratios[0]:.2f} to {ratios[-1]:.2f})")


if __name__ == "__main__":
    main()
