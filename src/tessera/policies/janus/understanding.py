"""Janus reads a picture: it answers a question about it, or says how likely given answers are.

Training a unified model to draw moves the weights that it reads with, too. The template is that of the
official code (deepseek-ai/Janus: janus/models/processing_vlm.py and the format "deepseek" of
janus/utils/conversation.py; the roles of Janus-Pro as in its demo):

    <begin of text>{system}\\n\\n<|User|>: <begin_of_image>{picture}<end_of_image>\\n{question}\\n\\n
    <|Assistant|>:

A picture is scaled until its longer side fits, with PIL's bicubic filter, set in the middle of a grey square
and taken as SigLIP takes it, less 0.5 and over 0.5 (`JanusImageProcessor` of transformers with this mean and
deviation).

One question at a time: what is said of one depends on no other. Axes: P slots of the question with its
picture, K given answers, T tokens of the longest of them, D width.
"""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, UInt8
from numpy import asarray, ndarray
from PIL import Image
from torch import Tensor

from tessera.errors import CheckpointError, PromptError
from tessera.policies import trunk
from tessera.policies.janus.policy import JanusPolicy
from tessera.policies.janus.prompts import ASSISTANT, USER

SYSTEM = (
    "You are a helpful language and vision assistant. You are able to understand the visual content that the "
    "user provides, and assist the user with a variety of tasks using natural language."
)
END_OF_TEXT = "<｜end▁of▁sentence｜>"
END_OF_IMAGE = "<end_of_image>"
LEAST = 14  # pixels of the shorter side (min_size)
GREY = (127, 127, 127)  # 0.5 of 255, cut off


class JanusReader:
    """The side of a Janus policy that reads pictures. It changes nothing in the policy."""

    def __init__(self, policy: JanusPolicy) -> None:
        self._policy = policy
        self._tokenizer = policy.prompts.tokenizer
        vocabulary = self._tokenizer.get_vocab(with_added_tokens=True)
        if lacking := [token for token in (END_OF_TEXT, END_OF_IMAGE) if token not in vocabulary]:
            raise CheckpointError(
                f"the tokenizer has no token {', '.join(lacking)}, which reading pictures needs. Take the "
                "tokenizer.json that lies beside the weights"
            )
        self._end, self._after_image = vocabulary[END_OF_TEXT], vocabulary[END_OF_IMAGE]
        added = self._tokenizer.get_added_tokens_decoder().values()
        self._reserved = [token.content for token in added if token.special]

    @torch.no_grad()
    def answer(self, image_HWC: UInt8[ndarray, "H W 3"], question: str, limit: int) -> str:
        """Returns the likeliest answer, token by token, of at most `limit` tokens."""
        model, lm_head = self._policy.model.model.language_model, self._policy.model.lm_head
        x_1PD = self._asked(image_HWC, question)
        slots = x_1PD.shape[1]
        cache = self._policy.new_cache(1, slots + limit)
        blank_1 = torch.zeros(1, dtype=torch.long, device=x_1PD.device)
        state_1D = trunk.prefill(model, x_1PD, blank_1, cache)
        said: list[int] = []
        while len(said) < limit:
            token_1 = lm_head(state_1D).float().argmax(-1)
            if int(token_1) == self._end:
                break
            said.append(int(token_1))
            if len(said) < limit:
                slot = slots + len(said) - 1
                state_1D = trunk.extend(model, model.embed_tokens(token_1)[:, None], slot, cache)
        return self._tokenizer.decode(said, skip_special_tokens=True).strip()

    @torch.no_grad()
    def weigh(self, image_HWC: UInt8[ndarray, "H W 3"], question: str, choices: Sequence[str]) -> list[float]:
        """Returns the mean log-probability of each given answer's tokens, in nats.

        An answer follows the template as it does in training, after a space. The mean, for a sum would favour
        short answers.
        """
        model, lm_head = self._policy.model.model.language_model, self._policy.model.lm_head
        ids = [self._ids(f" {self._plain(choice, 'choice')}") for choice in choices]
        counts_K = torch.tensor([len(each) for each in ids], device=self._policy.device)
        ids_KT = torch.full((len(ids), max(map(len, ids))), self._policy.prompts.padding)
        for row, each in enumerate(ids):
            ids_KT[row, : len(each)] = torch.tensor(each)
        ids_KT = ids_KT.to(self._policy.device)
        asked_KPD = self._asked(image_HWC, question).expand(len(ids), -1, -1)
        # Padding stands behind an answer's last token, where no token of it looks.
        x_KSD = torch.cat([asked_KPD, model.embed_tokens(ids_KT[:, :-1])], dim=1)
        wanted_T = torch.arange(x_KSD.shape[1] - ids_KT.shape[1], x_KSD.shape[1], device=x_KSD.device)
        states_KTD = trunk.states(model, x_KSD, torch.zeros_like(counts_K), wanted_T, recompute=False)
        logp_KTV = lm_head(states_KTD).float().log_softmax(-1)
        logp_KT = logp_KTV.gather(-1, ids_KT[..., None])[..., 0].double()
        there_KT = torch.arange(ids_KT.shape[1], device=counts_K.device) < counts_K[:, None]
        return (logp_KT.masked_fill(~there_KT, 0.0).sum(1) / counts_K).tolist()

    def _asked(self, image_HWC: UInt8[ndarray, "H W 3"], question: str) -> Float[Tensor, "1 P D"]:
        """Returns the input of the template with the question and the picture in it."""
        text = self._plain(question, "question")
        reader = self._policy.prompts
        inner: Any = self._policy.model.model  # which may return a tuple, by its types
        before = [reader.begin, *self._ids(f"{SYSTEM}\n\n{USER}: "), reader.begin_of_image]
        after = [self._after_image, *self._ids(f"\n{text}\n\n{ASSISTANT}:")]
        embed = inner.language_model.embed_tokens
        pixels_13SS = squared(image_HWC, self._policy.spec.image_size[0])
        seen = inner.get_image_features(pixels_13SS.to(self._policy.device, embed.weight.dtype))
        first, last = (embed(torch.tensor([each], device=self._policy.device)) for each in (before, after))
        return torch.cat([first, seen.pooler_output.to(first.dtype), last], dim=1)

    def _plain(self, text: str, what: str) -> str:
        shown, plain = repr(text[:60]), text.strip()
        if not plain:
            raise PromptError(f"{what} {shown} is empty; write it out")
        if reserved := [token for token in self._reserved if token in plain]:
            raise PromptError(f"{what} {shown} holds {reserved[0]!r}, which Janus reserves; leave it out")
        return plain

    def _ids(self, text: str) -> list[int]:
        return self._tokenizer.encode(text, add_special_tokens=False).ids


def squared(image_HWC: UInt8[ndarray, "H W 3"], size: int) -> Float[Tensor, "1 3 S S"]:
    """Returns the whole picture in a square of this size, in (-1, 1)."""
    image = Image.fromarray(image_HWC)
    scale = size / max(image.size)
    width, height = (max(round(side * scale), min(LEAST, size)) for side in image.size)
    image = image.resize((width, height), Image.Resampling.BICUBIC)
    side = max(width, height)
    square = Image.new("RGB", (side, side), GREY)
    square.paste(image, ((side - width) // 2, (side - height) // 2))
    pixels_HWC = torch.from_numpy(asarray(square).copy())
    return pixels_HWC.permute(2, 0, 1)[None].float() / 127.5 - 1
