"""Attention of mosaic: causal, and that of many rows of codes over few texts.

A row of codes attends to its text and to its own codes up to itself. Texts are read once, so their keys and
values stand once; a group of rows asks its text's keys in one product, and softmax runs over both parts.

On a CPU forward and backward are written out: torch's own form of the same lines copies queries, keys and
values once more, fills masks twice and, under autocast, keeps softmax in two dtypes. On a GPU its fused
kernel does the work, on rows put together from text and codes.

Axes as in `groups`, and H heads of F features, S = P + C keys of a row, D = H F, E = 3 D.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from tessera.policies.mosaic.groups import Columns

# Scores of 16 bits whose softmax is made at once in float32: as many as a processor keeps at hand.
SOFTMAX_AT_ONCE = 2**17


def causal_attention(
    q: Float[Tensor, "B H Q F"], k: Float[Tensor, "B H S F"], v: Float[Tensor, "B H S F"]
) -> Float[Tensor, "B H Q F"]:
    """Returns the values mixed by softmax(q k / sqrt(F)), each position seeing those up to itself."""
    if q.is_cuda:
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)
    # At this size the fused kernel of a CPU is slower than the lines below (torch 2.13): its backward pass in
    # bfloat16 takes 26 ms against 7, half of a training step; one decoding step 0.27 ms against 0.20.
    scores = (q * q.shape[-1] ** -0.5) @ k.mT + _later(q)
    return scores.softmax(-1).to(v.dtype) @ v


def attention(qkv_NE: Float[Tensor, "N E"], columns: Columns, heads: int) -> Float[Tensor, "N D"]:
    """Returns what every column finds: those of texts in their text, those of codes in text and codes."""
    if qkv_NE.is_cuda:
        return _fused(qkv_NE, columns, heads)
    return _Shared.apply(qkv_NE, columns, heads)  # pyright: ignore[reportReturnType] - torch gives no type


def _later(q: Tensor) -> Tensor:
    """Returns what is added to the scores of queries over as many keys: -inf for those that come later."""
    size = q.shape[-2]
    return q.new_full((size, size), -torch.inf).triu(1)


def _fused(qkv_NE: Tensor, columns: Columns, heads: int) -> Tensor:
    """Returns the same by torch's kernel, which wants keys and values of a whole row."""
    # It brings torch's compiler along, half a second of imports that a CPU has no use for.
    from torch.nn.attention.bias import causal_lower_right  # noqa: PLC0415

    parts = [part.unflatten(2, (3, heads, -1)).permute(2, 0, 3, 1, 4) for part in columns.split(qkv_NE)]
    (q_text, k_text, v_text), (q, k, v) = parts
    text_R = columns.text_G.repeat_interleave(columns.width)
    k, v = torch.cat([k_text[text_R], k], dim=2), torch.cat([v_text[text_R], v], dim=2)
    found = [
        F.scaled_dot_product_attention(q_text, k_text, v_text, is_causal=True),
        F.scaled_dot_product_attention(q, k, v, attn_mask=causal_lower_right(columns.codes, k.shape[2])),
    ]
    return torch.cat([each.transpose(1, 2).flatten(2).flatten(0, 1) for each in found])


class _Shared(torch.autograd.Function):
    """The same by products alone. Heads lie outermost, so that what a group's rows ask is one matrix."""

    @staticmethod
    @torch.amp.custom_fwd(device_type="cpu", cast_inputs=torch.bfloat16)  # where autocast is on
    def forward(ctx: Any, qkv_NE: Tensor, columns: Columns, heads: int) -> Tensor:
        text, code = (_by_head(part, 3, heads) for part in columns.split(qkv_NE))
        for queries in (text[0], code[0]):
            queries.mul_(queries.shape[-1] ** -0.5)
        (q_text, k_text, v_text), (q, k, v) = (part.flatten(1, 2) for part in (text, code))
        p_text = torch.bmm(q_text, k_text.mT).add_(_later(q_text))
        p_text = _softmax(p_text)
        k_group, v_group = _of_groups(text, columns)
        prefix = columns.prefix
        scores = q.new_empty(len(q), columns.codes, prefix + columns.codes)
        _grouped(scores, columns)[:, :, :prefix] = torch.bmm(_grouped(q, columns), k_group.mT)
        torch.add(torch.bmm(q, k.mT), _later(q), out=scores[:, :, prefix:])
        p = _softmax(scores)
        mixed = torch.bmm(p[:, :, prefix:], v)
        _grouped(mixed, columns).baddbmm_(_grouped(p, columns)[:, :, :prefix], v_group)
        ctx.save_for_backward(text, code, p_text, p)
        ctx.columns = columns
        return _by_column([torch.bmm(p_text, v_text)[None], mixed[None]], columns, heads)

    @staticmethod
    @torch.amp.custom_bwd(device_type="cpu")
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:  # pyright: ignore[reportIncompatibleMethodOverride] - as torch calls it
        (grad_ND,) = grads
        text, code, p_text, p = ctx.saved_tensors
        columns, heads, scale = ctx.columns, text.shape[1], text.shape[-1] ** -0.5
        g_text, g = (_by_head(part, 1, heads).flatten(0, 2) for part in columns.split(grad_ND))
        (q_text, k_text, v_text), (q, k, v) = (part.flatten(1, 2) for part in (text, code))
        d_text, d_code = torch.empty_like(text), torch.empty_like(code)
        dq, dk, dv = d_code.flatten(1, 2)
        dq_text, dk_text, dv_text = d_text.flatten(1, 2)

        # Texts among themselves.
        torch.bmm(p_text.mT, g_text, out=dv_text)
        ds_text = _softmax_backward(torch.bmm(g_text, v_text.mT), p_text)
        torch.bmm(ds_text, k_text, out=dq_text)
        torch.bmm(ds_text.mT, q_text, out=dk_text)

        # Codes over their text and themselves.
        k_group, v_group = _of_groups(text, columns)
        g_group, p_group = _grouped(g, columns), _grouped(p, columns)[:, :, : columns.prefix]
        dp = torch.empty_like(p)
        _grouped(dp, columns)[:, :, : columns.prefix] = torch.bmm(g_group, v_group.mT)
        dp[:, :, columns.prefix :] = torch.bmm(g, v.mT)
        ds = _softmax_backward(dp, p)
        del dp
        # In one piece each, as two products read them.
        ds_own = ds[:, :, columns.prefix :].contiguous()
        ds_group = _grouped(ds, columns)[:, :, : columns.prefix].contiguous()
        del ds
        torch.bmm(p[:, :, columns.prefix :].mT, g, out=dv)
        torch.bmm(ds_own.mT, q, out=dk)
        torch.bmm(ds_own, k, out=dq)
        _grouped(dq, columns).baddbmm_(ds_group, k_group)
        d_group = [torch.bmm(ds_group.mT, _grouped(q, columns)), torch.bmm(p_group.mT, g_group)]
        _add_groups(torch.stack(d_group), d_text, columns)

        for queries in (dq_text, dq):
            queries.mul_(scale)
        return _by_column([d_text.flatten(1, 2), d_code.flatten(1, 2)], columns, heads), None, None


def _by_head(part: Tensor, kinds: int, heads: int) -> Tensor:
    """Returns rows, columns, (kinds heads features) as kinds, heads, rows, columns, features: a copy."""
    apart = part.unflatten(2, (kinds, heads, -1)).permute(2, 3, 0, 1, 4)
    return apart.clone(memory_format=torch.contiguous_format)


def _by_column(parts: list[Tensor], columns: Columns, heads: int) -> Tensor:
    """Returns texts and codes, each as kinds, (heads rows), columns, features, as the columns lie."""
    kinds, width = parts[0].shape[0], parts[0].shape[3] * heads
    found = parts[0].new_empty(sum(columns.sizes), kinds * width)
    for part, into in zip(parts, columns.split(found), strict=True):
        into.unflatten(2, (kinds, heads, -1)).copy_(part.unflatten(1, (heads, -1)).permute(2, 3, 0, 1, 4))
    return found


def _grouped(rows: Tensor, columns: Columns) -> Tensor:
    """Returns (heads rows), codes, any as (heads groups), (rows of a group, codes), any: a view."""
    return rows.view(-1, columns.width * columns.codes, rows.shape[2])


def _of_groups(text: Tensor, columns: Columns) -> Tensor:
    """Returns keys and values of each group's text: 2, (heads groups), slots, features."""
    both = text[1:]
    return (both if columns.plain else both.index_select(2, columns.text_G)).flatten(1, 2)


def _add_groups(d_group: Tensor, d_text: Tensor, columns: Columns) -> None:
    """Adds the gradients that groups have for keys and values to those of their texts."""
    both = d_text[1:]
    wide = torch.promote_types(both.dtype, torch.float32)  # many groups may share a text
    added = d_group.view(2, both.shape[1], -1, *both.shape[3:]).to(wide)
    both.copy_(both.to(wide).index_add_(2, columns.text_G, added))


def _softmax(scores: Tensor) -> Tensor:
    """Returns softmax over the last axis; scores of 16 bits are overwritten."""
    if scores.dtype != torch.bfloat16:
        return scores.softmax(-1)
    # Torch (2.13) takes 2.4 times as long from and to 16 bits where the axis is no multiple of 32: here, 88.
    for part in scores.split(max(1, SOFTMAX_AT_ONCE // scores[0].numel())):
        part.copy_(part.softmax(-1, dtype=torch.float32))
    return scores


def _softmax_backward(grad: Tensor, p: Tensor) -> Tensor:
    """Returns the gradient before softmax."""
    return torch._softmax_backward_data(grad, p, -1, p.dtype)
