"""Where tensors live: a device by its name, or the best that is here; of several GPUs, one a process.

And how a CPU multiplies. Torch (2.13) asks MKL for products of float32, and MKL keeps its AVX-512 kernels for
processors of Intel's: a core of an AMD EPYC (Zen 5) makes 110 GFLOP/s by MKL and 240 by oneDNN, which torch
brings along for bfloat16 and convolutions. Torch lets oneDNN make products of float32, too, if it may use
bfloat16 inside (`torch.set_float32_matmul_precision("medium")`). That it may does not mean that it does: no
kernel of oneDNN's for AMD takes float32 for 16 bits, so no digit is lost. Whether that is so here is measured
before anything changes (`_whole_digits`).
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import torch

from tessera.errors import UserError

PRODUCTS = "TESSERA_PRODUCTS"  # the variable that chooses: "torch" leaves products as torch has them
CPUS = Path("/proc/cpuinfo")  # of Linux
PLAIN = "torch's choice"
SLOWED = "AuthenticAMD"  # whose processors MKL holds back
# Of a product's largest error by the root of its length: float32 makes 1e-5 of it, bfloat16 1e-2.
WHOLE = 1e-4


def device_of(name: str | None) -> torch.device:
    """Returns the device of that name; unset: this process's GPU, or the CPU where there is none.

    Raises a `UserError` if this machine has no such device.
    """
    if name is None:
        here = torch.cuda.is_available()
        return torch.device("cuda", torch.cuda.current_device()) if here else torch.device("cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UserError(f"device {name!r} is unknown; use cpu, cuda or cuda:1") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise UserError(f"device {name!r} needs a GPU that this torch can use; there is none")
    return device


def share_gpus(process: int) -> None:
    """Gives this process, by its number, one of the machine's GPUs in turn."""
    if count := torch.cuda.device_count():
        torch.cuda.set_device(process % count)


def use_cpu(threads: int | None = None) -> None:
    """Settles how this process computes on a CPU: by the faster exact products, with so many threads.

    Without a number torch's own stands.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    if onednn_wanted():
        torch.set_float32_matmul_precision("medium")


def onednn_wanted() -> bool:
    """Returns whether oneDNN is to make products of float32: where it pays, if `PRODUCTS` does not say no."""
    match os.environ.get(PRODUCTS):
        case None:
            return onednn_pays()
        case "torch":
            return False
        case other:
            raise UserError(f"{PRODUCTS} is {other!r}; it can be torch, or unset")


@cache
def onednn_pays() -> bool:
    """Returns whether oneDNN makes products of float32 faster than MKL here, and as exactly.

    False beside a GPU, for which the same switch would cut digits off.
    """
    if torch.cuda.is_available() or not torch.backends.mkldnn.is_available():
        return False
    held_back = CPUS.is_file() and SLOWED in CPUS.read_text(encoding="utf-8")
    return held_back and _whole_digits()


@contextmanager
def torch_products() -> Iterator[None]:
    """Has products made inside as torch makes them unasked: what code that knows nothing of this pays."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def products() -> str:
    """Returns who makes products of float32 on the CPU of this process: "oneDNN", or `PLAIN`."""
    chosen = torch.get_float32_matmul_precision() == "medium" and onednn_pays()
    return "oneDNN" if chosen else PLAIN


def _whole_digits() -> bool:
    """Returns whether products that may use bfloat16 have the digits of float32 all the same."""
    draw = torch.Generator().manual_seed(0)
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        # Of many rows and of few, of a batch: what they are made by is chosen by their shape.
        for left, right in (((256, 128), (128, 256)), ((4, 512), (512, 128)), ((64, 8, 32), (64, 32, 24))):
            a, b = torch.randn(left, generator=draw), torch.randn(right, generator=draw)
            apart = (a @ b).double() - a.double() @ b.double()
            if apart.abs().max() > WHOLE * left[-1] ** 0.5:
                return False
    finally:
        torch.set_float32_matmul_precision(before)
    return True
