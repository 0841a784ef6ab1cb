"""Memory and time of token log-probabilities, plain and in chunks, forward and backward.

    OMP_NUM_THREADS=1 python -m tests.performance.chunked_logp

The peak is the process's own high-water mark (VmHWM), so each form runs in a fresh process; what the process
holds before the first logit (torch, features, head) is measured too and taken off.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import torch

from tessera.objective.chunked import CHUNK, chunked_token_logp
from tessera.objective.policy import log_distribution
from tessera.types import View

FORMS = ("plain", "chunked")


def peak_mib() -> float:
    """Returns the largest resident size this process has had (Linux)."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def measure(form: str, rows: int, tokens: int, codebook: int, channels: int, chunk: int) -> dict[str, float]:
    """Returns peak and time of one forward and backward pass, and numbers to compare the forms by."""
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    head = torch.nn.Linear(channels, codebook)
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.normal_(std=channels**-0.5, generator=generator)
    n = rows * tokens
    features_ND = torch.randn(n, channels, generator=generator, requires_grad=True)
    tokens_N = torch.randint(codebook, (n,), generator=generator)
    # The first checkpoint of a process imports half a second's worth of torch.
    chunked_token_logp(features_ND[:1], head, tokens_N[:1], View(), chunk).sum().backward()
    features_ND.grad = None
    head.zero_grad()
    before = peak_mib()
    start = time.perf_counter()
    if form == "plain":
        logp_NV = log_distribution(head(features_ND), View())
        logp_N = logp_NV.gather(1, tokens_N[:, None])[:, 0]
        del logp_NV  # autograd keeps what it needs
    else:
        logp_N = chunked_token_logp(features_ND, head, tokens_N, View(), chunk)
    middle = time.perf_counter()
    logp_N.sum().backward()
    end = time.perf_counter()
    assert features_ND.grad is not None
    assert head.weight.grad is not None
    return {
        "before": before,
        "peak": peak_mib(),
        "forward": middle - start,
        "backward": end - middle,
        "logp": logp_N.double().sum().item(),
        "feature_gradient": features_ND.grad.double().norm().item(),
        "head_gradient": head.weight.grad.double().norm().item(),
    }


def main() -> None:
    """Prints a line per form, and how many times less memory the chunks take."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=576)
    parser.add_argument("--codebook", type=int, default=16_384)
    parser.add_argument("--channels", type=int, default=256)
    parser.add_argument("--chunk", type=int, default=CHUNK)
    parser.add_argument("--form", choices=FORMS, help="measure this one here and print JSON")
    flags = parser.parse_args()
    sizes = {name: getattr(flags, name) for name in ("rows", "tokens", "codebook", "channels", "chunk")}
    if flags.form:
        print(json.dumps(measure(flags.form, **sizes)))
        return
    numbers = {}
    options = [text for name, value in sizes.items() for text in (f"--{name}", str(value))]
    for form in FORMS:
        command = [sys.executable, "-m", "tests.performance.chunked_logp", "--form", form, *options]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        numbers[form] = json.loads(done.stdout)
    print(" ".join(f"{name}={value}" for name, value in sizes.items()), "float32, 1 thread")
    for form, row in numbers.items():
        print(
            f"{form:8} peak {row['peak']:7.0f} MiB, {row['peak'] - row['before']:7.0f} above the start; "
            f"forward {row['forward']:.2f} s, backward {row['backward']:.2f} s; "
            f"logp {row['logp']:.3f}, |dfeatures| {row['feature_gradient']:.5f}, "
            f"|dhead| {row['head_gradient']:.5f}"
        )
    plain, chunked = (numbers[form]["peak"] - numbers[form]["before"] for form in FORMS)
    print(f"plain needs {plain / chunked:.1f} times the memory of chunks")


if __name__ == "__main__":
    main()
