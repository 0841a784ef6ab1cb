"""Image tokens per second of Janus: our sampler against transformers' `generate`, same model, same run.

    OMP_NUM_THREADS=1 python -m tests.performance.janus
    python -m tests.performance.janus --size 1b --device cuda --rows 32 --repeats 2

Random weights: what is drawn differs, the work does not. One prompt for all rows, as `generate` has no other
way to keep rows of equal length; both have guidance 5, and 576 codes out of 16,384.
"""

import argparse
import statistics
import time
from typing import Any

import torch
from transformers import JanusForConditionalGeneration

from tessera.policies.janus.config import JanusConfig
from tessera.policies.janus.policy import JanusPolicy
from tessera.policies.janus.published import byte_tokenizer, published_sizes, random_janus
from tessera.rng import rollout_seed, uniforms
from tessera.sampling.decode import decode_rows
from tessera.tensors import TextBatch
from tests.contracts.janus import generated

PROMPT = "a photo of a red star"


def small() -> JanusPolicy:
    """Returns a model of 5 M parameters beside those of codes and pictures: what a CPU can wait for."""
    sizes: Any = published_sizes("1b")  # whose parts transformers types as dictionaries, too
    sizes.text_config.update(
        {
            "vocab_size": 1024,
            "hidden_size": 256,
            "intermediate_size": 704,
            "num_hidden_layers": 6,
            "num_attention_heads": 4,
            "num_key_value_heads": 4,
            "head_dim": 64,
        }
    )
    sizes.vision_config.update({"hidden_size": 64, "num_hidden_layers": 1, "projection_dim": 256})
    sizes.vq_config.update({"projection_dim": 256, "image_token_embed_dim": 256})
    sizes.vq_config.update({"base_channels": 32, "latent_channels": 32})
    return JanusPolicy(JanusForConditionalGeneration(sizes), byte_tokenizer(), JanusConfig(dtype="float32"))


def by_generate(policy: JanusPolicy, rows: int) -> torch.Tensor:
    """Returns the tokens that transformers draws."""
    text = policy.tokenize([PROMPT])
    text = TextBatch(ids=text.ids[text.mask][None], mask=text.mask[text.mask][None])  # without blanks
    index_B = torch.zeros(rows, dtype=torch.long, device=policy.device)
    guidance = policy.spec.default_view.guidance
    return generated(policy, text.rows(index_B), guidance=guidance, likeliest=False)


def by_sampler(policy: JanusPolicy, rows: int) -> torch.Tensor:
    """Returns the tokens that our sampler draws."""
    seeds = [rollout_seed(0, PROMPT, row) for row in range(rows)]
    uniform_BT = torch.from_numpy(uniforms(seeds, policy.spec.tokens)).to(policy.device)
    rows_B = torch.zeros(rows, dtype=torch.long, device=policy.device)
    tokens_BT, _ = decode_rows(
        policy, policy.tokenize([PROMPT]), rows_B, uniform_BT, policy.spec.default_view
    )
    return tokens_BT


def main() -> None:
    """Prints image tokens per second of both, medians, and their ratio pair by pair."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", choices=["small", "1b", "7b"], default="small")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--rows", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=2)
    flags = parser.parse_args()
    torch.set_num_threads(1)
    place = torch.device(flags.device)
    policy = small().to(place) if flags.size == "small" else random_janus(flags.size, seed=0, device=place)
    ours, theirs = [], []
    for repeat in range(flags.repeats + 1):
        times = [time.perf_counter()]
        for draw in (by_sampler, by_generate):
            draw(policy, flags.rows).sum().item()  # which waits for a GPU
            times.append(time.perf_counter())
        if repeat:  # the first pair warms up
            count = flags.rows * policy.spec.tokens
            ours.append(count / (times[1] - times[0]))
            theirs.append(count / (times[2] - times[1]))
    ratios = sorted(a / b for a, b in zip(ours, theirs, strict=True))
    print(f"{flags.size}, {flags.rows} rows with guidance, {flags.device}")
    print(f"sampler    {statistics.median(ours):8.0f} tokens/s")
    print(f"generate   {statistics.median(theirs):8.0f} tokens/s")
    print(f"ratio      {statistics.median(ratios):8.2f}  ({ratios[0]:.2f} to {ratios[-1]:.2f})")


if __name__ == "__main__":
    main()
