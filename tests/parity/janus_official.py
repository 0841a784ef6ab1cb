"""Janus in the official layout, in plain torch: random weights by the official names, and what they give.

Nothing here knows of transformers. Names and formulas: deepseek-ai/Janus, janus/models/modeling_vlm.py,
projector.py and vq_model.py; Llama as in arXiv:2302.13971; SigLIP's blocks as timm has them.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

State = dict[str, Tensor]
WIDTH, MLP, LAYERS, HEADS = 32, 48, 2, 2
CODES, CODE_WIDTH, LATENT, CHANNELS = 64, 4, 16, 32
EPSILON = 1e-6  # of all norms


def official_state(seed: int = 0) -> State:
    """Returns random weights under the official names: pictures of 8 x 8 pixels, 16 codes."""
    generator = torch.Generator().manual_seed(seed)
    state: State = {}

    def put(name: str, *shape: int) -> None:
        state[name] = torch.randn(shape, generator=generator) / math.sqrt(math.prod(shape[1:]))

    def linear(name: str, outputs: int, inputs: int) -> None:
        put(f"{name}.weight", outputs, inputs)
        state[f"{name}.bias"] = 0.1 * torch.randn(outputs, generator=generator)

    def conv(name: str, outputs: int, inputs: int, side: int) -> None:
        put(f"{name}.weight", outputs, inputs, side, side)
        state[f"{name}.bias"] = 0.1 * torch.randn(outputs, generator=generator)

    def norm(name: str, width: int, *, bias: bool = True) -> None:
        state[f"{name}.weight"] = 1 + 0.1 * torch.randn(width, generator=generator)
        if bias:
            state[f"{name}.bias"] = 0.1 * torch.randn(width, generator=generator)

    language = "language_model.model"
    state[f"{language}.embed_tokens.weight"] = torch.randn(272, WIDTH, generator=generator)
    for layer in (f"{language}.layers.{number}" for number in range(LAYERS)):
        for name in "qkvo":
            put(f"{layer}.self_attn.{name}_proj.weight", WIDTH, WIDTH)
        put(f"{layer}.mlp.gate_proj.weight", MLP, WIDTH)
        put(f"{layer}.mlp.up_proj.weight", MLP, WIDTH)
        put(f"{layer}.mlp.down_proj.weight", WIDTH, MLP)
        norm(f"{layer}.input_layernorm", WIDTH, bias=False)
        norm(f"{layer}.post_attention_layernorm", WIDTH, bias=False)
    norm(f"{language}.norm", WIDTH, bias=False)
    put("language_model.lm_head.weight", 272, WIDTH)

    state["gen_embed.weight"] = torch.randn(CODES, CODE_WIDTH, generator=generator)
    linear("gen_aligner.layers.0", WIDTH, CODE_WIDTH)
    linear("gen_aligner.layers.2", WIDTH, WIDTH)
    linear("gen_head.output_mlp_projector", WIDTH, WIDTH)
    linear("gen_head.vision_head", CODES, WIDTH)
    linear("aligner.layers.0", WIDTH, WIDTH)
    linear("aligner.layers.2", WIDTH, WIDTH)

    def block(name: str) -> None:
        for number in "12":
            norm(f"{name}.norm{number}", CHANNELS)
            conv(f"{name}.conv{number}", CHANNELS, CHANNELS, 3)

    def mixing(name: str) -> None:
        norm(f"{name}.norm", CHANNELS)
        for part in ("q", "k", "v", "proj_out"):
            conv(f"{name}.{part}", CHANNELS, CHANNELS, 1)

    vq = "gen_vision_model"
    state[f"{vq}.quantize.embedding.weight"] = torch.randn(CODES, CODE_WIDTH, generator=generator)
    state[f"{vq}.quantize.codebook_used"] = torch.zeros(100)
    conv(f"{vq}.quant_conv", CODE_WIDTH, LATENT, 1)
    conv(f"{vq}.post_quant_conv", LATENT, CODE_WIDTH, 1)
    for half, first, last, blocks in (("encoder", 3, LATENT, 1), ("decoder", LATENT, 3, 2)):
        conv(f"{vq}.{half}.conv_in", CHANNELS, first, 3)
        conv(f"{vq}.{half}.conv_out", last, CHANNELS, 3)
        norm(f"{vq}.{half}.norm_out", CHANNELS)
        block(f"{vq}.{half}.mid.0")
        mixing(f"{vq}.{half}.mid.1")
        block(f"{vq}.{half}.mid.2")
        for level in range(2):
            for number in range(blocks):
                block(f"{vq}.{half}.conv_blocks.{level}.res.{number}")
                if level == (1 if half == "encoder" else 0):  # the coarsest
                    mixing(f"{vq}.{half}.conv_blocks.{level}.attn.{number}")
        change = "downsample" if half == "encoder" else "upsample"
        conv(f"{vq}.{half}.conv_blocks.0.{change}.conv", CHANNELS, CHANNELS, 3)

    tower = "vision_model.vision_tower"
    state[f"{tower}.pos_embed"] = torch.randn(1, 16, WIDTH, generator=generator)
    conv(f"{tower}.patch_embed.proj", WIDTH, 3, 2)
    norm(f"{tower}.blocks.0.norm1", WIDTH)
    norm(f"{tower}.blocks.0.norm2", WIDTH)
    linear(f"{tower}.blocks.0.attn.qkv", 3 * WIDTH, WIDTH)
    linear(f"{tower}.blocks.0.attn.proj", WIDTH, WIDTH)
    linear(f"{tower}.blocks.0.mlp.fc1", 4 * WIDTH, WIDTH)
    linear(f"{tower}.blocks.0.mlp.fc2", WIDTH, 4 * WIDTH)
    norm(f"{tower}.norm", WIDTH)
    linear(f"{tower}.attn_pool.q", WIDTH, WIDTH)
    return state


def image_logits(state: State, words: list[int], codes: list[int]) -> Tensor:
    """Returns the logits of every code, given the words and the codes before it: T x V."""
    x = state["language_model.model.embed_tokens.weight"][words]
    h = state["gen_embed.weight"][codes[:-1]]
    h = _linear(state, "gen_aligner.layers.2", F.gelu(_linear(state, "gen_aligner.layers.0", h)))
    x = _llama(state, torch.cat([x, h]))[len(words) - 1 :]
    return _linear(state, "gen_head.vision_head", F.gelu(_linear(state, "gen_head.output_mlp_projector", x)))


def _llama(state: State, x: Tensor) -> Tensor:
    length, side = len(x), WIDTH // HEADS
    angles = torch.arange(length)[:, None] / 10000 ** (torch.arange(0, side, 2) / side)
    turns = torch.polar(torch.ones_like(angles), angles)[None]  # complex: (first half, second half) of a head

    def turned(y: Tensor) -> Tensor:
        whole = torch.complex(y[..., : side // 2], y[..., side // 2 :]) * turns
        return torch.cat([whole.real, whole.imag], dim=-1)

    later = torch.ones(length, length).triu(1).bool()
    for number in range(LAYERS):
        name = f"language_model.model.layers.{number}"
        h = _rms(state, f"{name}.input_layernorm", x)
        q, k, v = (
            (h @ state[f"{name}.self_attn.{each}_proj.weight"].T).view(length, HEADS, side).transpose(0, 1)
            for each in "qkv"
        )
        scores = (turned(q) @ turned(k).transpose(1, 2) / math.sqrt(side)).masked_fill(later, -math.inf)
        mixed = (scores.softmax(-1) @ v).transpose(0, 1).reshape(length, WIDTH)
        x = x + mixed @ state[f"{name}.self_attn.o_proj.weight"].T
        h = _rms(state, f"{name}.post_attention_layernorm", x)
        gate, up = (h @ state[f"{name}.mlp.{each}_proj.weight"].T for each in ("gate", "up"))
        x = x + (gate * gate.sigmoid() * up) @ state[f"{name}.mlp.down_proj.weight"].T
    return _rms(state, "language_model.model.norm", x)


def _rms(state: State, name: str, x: Tensor) -> Tensor:
    return state[f"{name}.weight"] * x / (x.square().mean(-1, keepdim=True) + EPSILON).sqrt()


def _linear(state: State, name: str, x: Tensor) -> Tensor:
    return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]


def picture(state: State, codes: list[int]) -> Tensor:
    """Returns the picture of 16 codes, about (-1, 1): 3 x 8 x 8."""
    entries = state["gen_vision_model.quantize.embedding.weight"][codes]
    z = (entries / entries.norm(dim=1, keepdim=True)).T.reshape(1, CODE_WIDTH, 4, 4)
    half = "gen_vision_model.decoder"
    x = _conv(state, f"{half}.conv_in", _conv(state, "gen_vision_model.post_quant_conv", z))
    x = _middle(state, half, x)
    for level in range(2):
        for number in range(2):
            x = _block(state, f"{half}.conv_blocks.{level}.res.{number}", x)
            if level == 0:
                x = _mixing(state, f"{half}.conv_blocks.{level}.attn.{number}", x)
        if level == 0:
            wider = x.repeat_interleave(2, 2).repeat_interleave(2, 3)
            x = _conv(state, f"{half}.conv_blocks.0.upsample.conv", wider)
    return _conv(state, f"{half}.conv_out", _swish(_group(state, f"{half}.norm_out", x)))[0]


def codes_of(state: State, image: Tensor) -> list[int]:
    """Returns the codes of a picture of (-1, 1), 3 x 8 x 8."""
    half = "gen_vision_model.encoder"
    x = _conv(state, f"{half}.conv_in", image[None])
    for level in range(2):
        x = _block(state, f"{half}.conv_blocks.{level}.res.0", x)
        if level == 1:
            x = _mixing(state, f"{half}.conv_blocks.{level}.attn.0", x)
        else:
            name = f"{half}.conv_blocks.0.downsample.conv"
            x = F.conv2d(F.pad(x, (0, 1, 0, 1)), state[f"{name}.weight"], state[f"{name}.bias"], stride=2)
    x = _middle(state, half, x)
    x = _conv(state, f"{half}.conv_out", _swish(_group(state, f"{half}.norm_out", x)))
    z = _conv(state, "gen_vision_model.quant_conv", x)[0].flatten(1).T
    entries = state["gen_vision_model.quantize.embedding.weight"]
    z, entries = z / z.norm(dim=1, keepdim=True), entries / entries.norm(dim=1, keepdim=True)
    return torch.cdist(z, entries).argmin(1).tolist()


def _middle(state: State, half: str, x: Tensor) -> Tensor:
    x = _mixing(state, f"{half}.mid.1", _block(state, f"{half}.mid.0", x))
    return _block(state, f"{half}.mid.2", x)


def _block(state: State, name: str, x: Tensor) -> Tensor:
    h = _conv(state, f"{name}.conv1", _swish(_group(state, f"{name}.norm1", x)))
    return x + _conv(state, f"{name}.conv2", _swish(_group(state, f"{name}.norm2", h)))


def _mixing(state: State, name: str, x: Tensor) -> Tensor:
    h = _group(state, f"{name}.norm", x)
    q, k, v = (_conv(state, f"{name}.{each}", h).flatten(2)[0] for each in "qkv")  # channels x places
    mixed = v @ (q.T @ k / math.sqrt(CHANNELS)).softmax(1).T
    return x + _conv(state, f"{name}.proj_out", mixed.view_as(x))


def _group(state: State, name: str, x: Tensor) -> Tensor:
    """Returns x normalised in 32 groups of channels."""
    grouped = x.view(1, 32, -1)
    centred = grouped - grouped.mean(2, keepdim=True)
    normed = (centred / (centred.square().mean(2, keepdim=True) + EPSILON).sqrt()).view_as(x)
    return normed * state[f"{name}.weight"][:, None, None] + state[f"{name}.bias"][:, None, None]


def _swish(x: Tensor) -> Tensor:
    return x * x.sigmoid()


def _conv(state: State, name: str, x: Tensor) -> Tensor:
    weight = state[f"{name}.weight"]
    return F.conv2d(x, weight, state[f"{name}.bias"], padding=weight.shape[-1] // 2)


def tower(state: State, image: Tensor) -> Tensor:
    """Returns what the tower that reads pictures says of one, 3 x 8 x 8: a row per patch."""
    name = "vision_model.vision_tower"
    x = F.conv2d(
        image[None],
        state[f"{name}.patch_embed.proj.weight"],
        state[f"{name}.patch_embed.proj.bias"],
        stride=2,
    )
    x = x[0].flatten(1).T + state[f"{name}.pos_embed"][0]
    block = f"{name}.blocks.0"
    h = _layer_norm(state, f"{block}.norm1", x)
    q, k, v = _linear(state, f"{block}.attn.qkv", h).view(16, 3, 2, 16).permute(1, 2, 0, 3)
    mixed = ((q @ k.transpose(1, 2) / 4).softmax(-1) @ v).transpose(0, 1).reshape(16, WIDTH)
    x = x + _linear(state, f"{block}.attn.proj", mixed)
    h = F.gelu(_linear(state, f"{block}.mlp.fc1", _layer_norm(state, f"{block}.norm2", x)))
    x = x + _linear(state, f"{block}.mlp.fc2", h)
    return _layer_norm(state, f"{name}.norm", x)


def _layer_norm(state: State, name: str, x: Tensor) -> Tensor:
    return F.layer_norm(x, (WIDTH,), state[f"{name}.weight"], state[f"{name}.bias"], EPSILON)
