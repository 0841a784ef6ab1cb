"""How a CPU runs the convolutions of VQ models: few pixels at a time, channels last, norms of few passes.

Eight pictures of 384 x 384 and 32 channels took 5.2 s and take 2.0 (torch 2.13, one thread, AVX-512):

    memory      an activation of 32 MiB or more comes from the system at every operation, page by page, and
                goes back (glibc: M_MMAP_THRESHOLD and its greatest value): more than half of the time
    layout      with the channels of a pixel side by side a convolution needs no copy in another order
    norms       where channels come last, torch's group norm adds up in one running sum, 2e-4 off in such a
                picture; `group_norm` adds pairwise and is 1e-6 off, for 3 percent of the whole time

On a GPU none of it is done.

Axes: B pictures, C channels, R S rows and columns, N groups of a norm, D channels of a group.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

PIXELS_AT_ONCE = 384**2  # one picture of Janus: 64 channels of it in float32 are 38 MB


def rows_at_once(device: torch.device, at_once: int, pixels: int) -> int:
    """Returns how many pictures of so many pixels to run at once: on a CPU fewer than elsewhere."""
    return max(1, min(at_once, PIXELS_AT_ONCE // pixels)) if device.type == "cpu" else at_once


def is_plain_cpu(x: Tensor) -> bool:
    """Returns whether what this file has for a CPU is for this tensor: 16 bits round otherwise."""
    return x.device.type == "cpu" and x.dtype == torch.float32 and not torch.is_grad_enabled()


def group_norm(norm: nn.GroupNorm, x_BCRS: Float[Tensor, "B C R S"]) -> Float[Tensor, "B C R S"]:
    """Returns what the norm makes of activations.

    The variance is the mean of squares less the square of the mean, so its relative error grows from 1e-7
    with the square of mean over deviation.
    """
    if not is_plain_cpu(x_BCRS):
        return norm(x_BCRS)
    out_BCRS = x_BCRS.square()
    shape = (len(x_BCRS), norm.num_groups, -1)
    size = x_BCRS[0].numel() // norm.num_groups
    mean_BN1, square_BN1 = (
        each.sum((2, 3)).double().view(shape).sum(2, keepdim=True) / size for each in (x_BCRS, out_BCRS)
    )
    weight_ND, bias_ND = (each.view(norm.num_groups, -1) for each in (norm.weight, norm.bias))
    scale_BND = weight_ND * (square_BN1 - mean_BN1.square() + norm.eps).rsqrt()
    shift_BND = bias_ND - scale_BND * mean_BN1
    scale, shift = (each.to(x_BCRS.dtype).flatten(1)[..., None, None] for each in (scale_BND, shift_BND))
    return torch.addcmul(shift, x_BCRS, scale, out=out_BCRS)
