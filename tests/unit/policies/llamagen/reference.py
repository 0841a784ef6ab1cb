"""LlamaGen in plain torch, on weights in its authors' layout: what the policy is compared with.

Written from the paper (arXiv:2406.06525) and the facts of FoundationVision/LlamaGen: the whole sequence is
made anew for every token, positions turn as complex numbers, attention is written out.

Axes: B rows, P slots of the prompt, T codes, S positions, V codes, H heads, F features of a head.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from tests.unit.policies.llamagen.weights import Sizes, State

# --- the transformer ----------------------------------------------------------------------------------------


def logits(state: State, sizes: Sizes, condition: Tensor, mask_BP: Tensor, tokens: Tensor) -> Tensor:
    """Returns logits at every position: slots of the prompt, then codes.

    `condition` are class numbers (B, 1), or T5's features in their slots; `mask_BP` is 0 at padding.
    """
    if condition.is_floating_point():
        inner = F.gelu(condition @ state["cls_embedding.cap_proj.fc1.weight"].T, approximate="tanh")
        prompt = inner @ state["cls_embedding.cap_proj.fc2.weight"].T
    else:
        prompt = state["cls_embedding.embedding_table.weight"][condition]
    x = torch.cat([prompt, state["tok_embeddings.weight"][tokens]], dim=1)
    seen = _seen(mask_BP, x.shape[1])
    turn = _turn(sizes, mask_BP.shape[1])[: x.shape[1]]
    for number in range(sizes.layers):
        name = f"layers.{number}"
        h = _rms(x, state[f"{name}.attention_norm.weight"])
        q, k, v = (h @ state[f"{name}.attention.wqkv.weight"].T).split(sizes.width, dim=-1)
        q, k, v = (each.unflatten(-1, (sizes.heads, -1)).transpose(1, 2) for each in (q, k, v))
        q, k = (_turned(each, turn) for each in (q, k))
        scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
        weights = scores.masked_fill(~seen[:, None], -math.inf).softmax(-1)
        mixed = (weights @ v).transpose(1, 2).flatten(2)
        x = x + mixed @ state[f"{name}.attention.wo.weight"].T
        h = _rms(x, state[f"{name}.ffn_norm.weight"])
        gate, up = (h @ state[f"{name}.feed_forward.w{part}.weight"].T for part in "13")
        x = x + (gate * torch.sigmoid(gate) * up) @ state[f"{name}.feed_forward.w2.weight"].T
    return _rms(x, state["norm.weight"]) @ state["output.weight"].T


def greedy(
    state: State, sizes: Sizes, condition: Tensor, null: Tensor, mask_BP: Tensor, scale: float
) -> Tensor:
    """Returns the likeliest codes under guidance, each from the whole sequence before it."""
    tokens = torch.empty(len(condition), 0, dtype=torch.long)
    for _ in range(sizes.grid**2):
        said, unsaid = (logits(state, sizes, each, mask_BP, tokens)[:, -1] for each in (condition, null))
        tokens = torch.cat([tokens, (unsaid + scale * (said - unsaid)).argmax(-1, keepdim=True)], dim=1)
    return tokens


def _seen(mask_BP: Tensor, length: int) -> Tensor:
    """Returns (row, query, key): earlier keys that are no padding, and the query itself."""
    seen = torch.zeros(len(mask_BP), length, length, dtype=torch.bool)
    for row, query in ((r, q) for r in range(len(mask_BP)) for q in range(length)):
        for key in range(query + 1):
            padding = key < mask_BP.shape[1] and not mask_BP[row, key]
            seen[row, query, key] = key == query or not padding
    return seen


def _turn(sizes: Sizes, prefix: int) -> Tensor:
    """Returns a complex factor per position and pair of features: 0 before the picture."""
    features = sizes.width // sizes.heads
    quarter = features // 4
    factors = torch.zeros(prefix + sizes.grid**2, 2 * quarter, dtype=torch.complex64)
    for code in range(sizes.grid**2):
        row, column = divmod(code, sizes.grid)
        for pair in range(quarter):
            slow = 10000 ** (-2 * pair / (features / 2))
            for half, place in enumerate((row, column)):
                angle = torch.tensor(place * slow)
                factors[prefix + code, half * quarter + pair] = torch.complex(angle.cos(), angle.sin())
    return factors


def _turned(x_BHSF: Tensor, factors: Tensor) -> Tensor:
    pairs = torch.view_as_complex(x_BHSF.unflatten(-1, (-1, 2)).contiguous())
    return torch.view_as_real(pairs * factors).flatten(-2)


def _rms(x: Tensor, weight: Tensor) -> Tensor:
    return x / (x.square().mean(-1, keepdim=True) + 1e-5).sqrt() * weight


# --- the tokenizer ------------------------------------------------------------------------------------------


def decoded(state: State, sizes: Sizes, tokens_BT: Tensor) -> Tensor:
    """Returns pictures (B, 3, H, W), about -1 to 1."""
    codebook = state["quantize.embedding.weight"]
    codes = (codebook / codebook.norm(dim=-1, keepdim=True))[tokens_BT]
    x = codes.transpose(1, 2).unflatten(2, (sizes.grid, sizes.grid))
    x = _conv(state, "decoder.conv_in", _conv(state, "post_quant_conv", x))
    x = _middle(state, "decoder", x)
    for level in range(len(sizes.multipliers)):
        name = f"decoder.conv_blocks.{level}"
        for block in range(sizes.residuals + 1):
            x = _residual(state, f"{name}.res.{block}", x)
            if level == 0:
                x = _attention(state, f"{name}.attn.{block}", x)
        if level < len(sizes.multipliers) - 1:
            x = _conv(state, f"{name}.upsample.conv", x.repeat_interleave(2, 2).repeat_interleave(2, 3))
    return _conv(state, "decoder.conv_out", _swish(_group(state, "decoder.norm_out", x)))


def encoded(state: State, sizes: Sizes, pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the codes of pictures (-1 to 1), and how much nearer each is than the next (squared)."""
    x = _conv(state, "encoder.conv_in", pixels)
    for level in range(len(sizes.multipliers)):
        name = f"encoder.conv_blocks.{level}"
        for block in range(sizes.residuals):
            x = _residual(state, f"{name}.res.{block}", x)
            if level == len(sizes.multipliers) - 1:
                x = _attention(state, f"{name}.attn.{block}", x)
        if level < len(sizes.multipliers) - 1:
            wider = torch.zeros(*x.shape[:2], x.shape[2] + 1, x.shape[3] + 1)
            wider[:, :, :-1, :-1] = x
            weight = state[f"{name}.downsample.conv.weight"]
            x = F.conv2d(wider, weight, state[f"{name}.downsample.conv.bias"], stride=2)
    x = _middle(state, "encoder", x)
    x = _conv(state, "encoder.conv_out", _swish(_group(state, "encoder.norm_out", x)))
    points = _conv(state, "quant_conv", x).flatten(2).transpose(1, 2)
    codebook = state["quantize.embedding.weight"]
    points, codebook = (each / each.norm(dim=-1, keepdim=True) for each in (points, codebook))
    distance = (points[:, :, None] - codebook).square().sum(-1)
    nearest = distance.topk(2, largest=False)
    return nearest.indices[..., 0], nearest.values[..., 1] - nearest.values[..., 0]


def _conv(state: State, name: str, x: Tensor) -> Tensor:
    weight = state[f"{name}.weight"]
    return F.conv2d(x, weight, state[f"{name}.bias"], padding=weight.shape[-1] // 2)


def _group(state: State, name: str, x: Tensor) -> Tensor:
    parts = x.unflatten(1, (32, -1)).flatten(2)
    spread, mean = torch.var_mean(parts, dim=-1, keepdim=True, unbiased=False)
    parts = (parts - mean) / (spread + 1e-6).sqrt()
    weight, bias = (state[f"{name}.{part}"][:, None, None] for part in ("weight", "bias"))
    return parts.view_as(x) * weight + bias


def _swish(x: Tensor) -> Tensor:
    return x * torch.sigmoid(x)


def _residual(state: State, name: str, x: Tensor) -> Tensor:
    h = _conv(state, f"{name}.conv1", _swish(_group(state, f"{name}.norm1", x)))
    h = _conv(state, f"{name}.conv2", _swish(_group(state, f"{name}.norm2", h)))
    return h + (_conv(state, f"{name}.nin_shortcut", x) if f"{name}.nin_shortcut.weight" in state else x)


def _attention(state: State, name: str, x: Tensor) -> Tensor:
    h = _group(state, f"{name}.norm", x)
    q, k, v = (_conv(state, f"{name}.{part}", h).flatten(2) for part in "qkv")
    weights = (q.transpose(1, 2) @ k / math.sqrt(q.shape[1])).softmax(-1)
    mixed = (v @ weights.transpose(1, 2)).unflatten(2, x.shape[2:])
    return x + _conv(state, f"{name}.proj_out", mixed)


def _middle(state: State, name: str, x: Tensor) -> Tensor:
    x = _attention(state, f"{name}.mid.1", _residual(state, f"{name}.mid.0", x))
    return _residual(state, f"{name}.mid.2", x)
