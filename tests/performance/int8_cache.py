"""What a key-value cache in 8 bits costs and saves, beside a full one: same policy, numbers and run.

    OMP_NUM_THREADS=1 python -m tests.performance.int8_cache
    OMP_NUM_THREADS=1 python -m tests.performance.int8_cache --weights random --rows 8 --repeats 3
    python -m tests.performance.int8_cache --policy random:janus-pro-1b --device cuda --rows 32 --repeats 3

    gap       mean |log-prob as drawn - as replayed|, nats: what a run calls `sample_replay_gap`
    greedy    share of likeliest tokens that are the replay's likeliest, too, after the same tokens
    step      milliseconds for all rows, prompts and head included: medians in turns (--repeats)
    token     bytes in the cache

Random weights draw near noise, whose log-probabilities hardly move. So *peaked* takes the temperature that
halves their entropy, which is what a head times its inverse would do. *Outliers* have two pairs of key
channels in every head ten times as large, and their queries a tenth: the same function, but for the cache.
"""

import argparse
import math
import statistics
from dataclasses import replace

import torch
from torch import Tensor

from tessera.bench.policies import load_measured
from tessera.bench.ratio import Clock, in_turns
from tessera.policies.janus.policy import JanusPolicy
from tessera.rng import rollout_seed, uniforms
from tessera.sampling.captured import sample_rows
from tessera.sampling.replay import replay_distribution, replay_logp
from tessera.tensors import TextBatch
from tessera.types import CacheForm, View

PROMPTS = ("a photo of two red circles", "a large blue heart drawn on paper")
FORMS: tuple[CacheForm, ...] = ("full", "int8")
PAIRS, TIMES = (5, 17), 10.0  # of the channels that become outliers


class Measured:
    """A policy with some rows of text, and what they draw."""

    def __init__(self, policy: JanusPolicy, rows: int) -> None:
        self.policy = policy
        self.rows_B = torch.arange(rows, device=policy.device) % len(PROMPTS)
        self.text_P = policy.tokenize(PROMPTS)
        self.text_B: TextBatch = self.text_P.rows(self.rows_B)
        seeds = [rollout_seed(0, PROMPTS[row % len(PROMPTS)], row) for row in range(rows)]
        self.uniform_BT = torch.from_numpy(uniforms(seeds, policy.spec.tokens)).to(policy.device)

    def draw(self, view: View, form: CacheForm) -> tuple[Tensor, Tensor]:
        """Returns tokens and log-probabilities through a cache of this form."""
        self.policy.config = replace(self.policy.config, cache=form)
        return sample_rows(self.policy, self.text_P, self.rows_B, self.uniform_BT, view)

    def step_ms(self, view: View, repeats: int) -> dict[str, float]:
        """Returns the milliseconds of a step by the form of the cache."""
        works = {"full": lambda: self.draw(view, "full"), "int8": lambda: self.draw(view, "int8")}
        taken = in_turns(Clock(self.policy.device), works, repeats)
        return {form: 1e3 * statistics.median(each) / self.policy.spec.tokens for form, each in taken.items()}

    @torch.no_grad()
    def gap(self, view: View, form: CacheForm) -> Tensor:
        """Returns how far log-probabilities as drawn and as replayed are apart, token by token."""
        tokens_BT, logp_BT = self.draw(view, form)
        return (replay_logp(self.policy, self.text_B, tokens_BT, view) - logp_BT).abs()

    @torch.no_grad()
    def agreement(self, view: View, form: CacheForm) -> float:
        """Returns the share of likeliest tokens that are the replay's."""
        tokens_BT, _ = self.draw(replace(view, top_k=1), form)
        best_BT = replay_distribution(self.policy, self.text_B, tokens_BT, view).argmax(-1)
        return (best_BT == tokens_BT).float().mean().item()

    @torch.no_grad()
    def halving(self, view: View) -> float:
        """Returns the temperature at which the entropy of what was drawn is half of the codebook's."""
        tokens_BT, _ = self.draw(view, "full")
        logp_BTV = replay_distribution(self.policy, self.text_B, tokens_BT, view)
        wanted, low, high = math.log(self.policy.spec.codebook) / 2, 0.01, 10.0
        for _ in range(12):
            middle = math.sqrt(low * high)
            q_BTV = (logp_BTV / middle).log_softmax(-1)
            entropy = -(q_BTV.exp() * q_BTV).sum(-1).mean().item()
            low, high = (middle, high) if entropy < wanted else (low, middle)
        return low


@torch.no_grad()
def with_outliers(policy: JanusPolicy) -> JanusPolicy:
    """Returns the policy with some channels of keys larger, of queries smaller: products are as before."""
    sizes = policy.model.model.language_model.config
    width, half = sizes.head_dim, sizes.head_dim // 2
    # The two channels that a rotation mixes.
    chosen = [h * width + c + o for h in range(sizes.num_attention_heads) for c in PAIRS for o in (0, half)]
    for layer in policy.model.model.language_model.layers:
        layer.self_attn.k_proj.weight[chosen] *= TIMES
        layer.self_attn.q_proj.weight[chosen] /= TIMES
    return policy


def main() -> None:
    """Prints a line for each dtype, weights, guidance and form of cache."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--policy", default="random:janus-small", help="a Janus")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtypes", nargs="+", default=["float32", "bfloat16"])
    parser.add_argument("--weights", nargs="+", default=["random", "peaked", "outliers"])
    parser.add_argument("--rows", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=0, help="rounds of timing; 0: none")
    flags = parser.parse_args()
    kinds = {"float32": torch.float32, "bfloat16": torch.bfloat16}
    print("dtype     weights   guidance  cache  gap (max)            greedy   step ms (of full)   token")
    for dtype in flags.dtypes:
        for weights in flags.weights:
            policy = load_measured(flags.policy).to(flags.device, kinds[dtype])
            assert isinstance(policy, JanusPolicy)
            it = Measured(with_outliers(policy) if weights == "outliers" else policy, flags.rows)
            for guidance in (5.0,) if weights == "outliers" else (1.0, 5.0):
                view = View(guidance=guidance)
                if weights != "random":
                    view = replace(view, temperature=it.halving(view))
                steps = it.step_ms(view, flags.repeats) if flags.repeats else dict.fromkeys(FORMS, math.nan)
                for form in FORMS:
                    gap_BT = it.gap(view, form)
                    share = steps[form] / steps["full"]
                    bytes_ = policy.footprint.layers * policy.footprint.slot_bytes
                    print(
                        f"{dtype:10}{weights:10}{guidance:<10g}{form:7}{gap_BT.mean().item():.1e} "
                        f"({gap_BT.max().item():.1e})    {it.agreement(view, form):8.2%}"
                        f"{steps[form]:9.1f} ({share:.2f}) {bytes_:11,}",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
