"""Prompts of Janus: its chat template, its tokens, a text window of fixed length, and the null prompt.

The template is that of the official code (deepseek-ai/Janus: generation_inference.py; its format "deepseek"
in janus/models/processing_vlm.py and janus/utils/conversation.py), with the roles of Janus-Pro:

    <begin of text><|User|>: {prompt}\\n\\n<|Assistant|>:<begin_of_image>

With the roles of the older Janus ("User", "Assistant") the Pro models lose points of GenEval
(deepseek-ai/Janus, number 210). The null prompt is as long as the prompt beside it; every token but the
first and the last is the padding token, and is attended.

A prompt shorter than the window stands at its right end. The blank slots before it hold the padding token,
too, and are masked: nothing attends them. The begin-of-image token is in no batch; whoever reads one
appends it.
"""

import hashlib
from collections.abc import Sequence

import torch
from tokenizers import Tokenizer

from tessera.errors import CheckpointError, PromptError
from tessera.policies.trunk import window
from tessera.tensors import TextBatch

BEGIN_OF_TEXT = "<｜begin▁of▁sentence｜>"
PADDING = "<｜▁pad▁｜>"
BEGIN_OF_IMAGE = "<begin_of_image>"
USER, ASSISTANT = "<|User|>", "<|Assistant|>"


class Prompts:
    """What reads prompts for one tokenizer and one length of the window."""

    def __init__(self, tokenizer: Tokenizer, *, slots: int) -> None:
        self.tokenizer = tokenizer
        self.tokenizer.no_padding()
        self.tokenizer.no_truncation()
        self.slots = slots
        vocabulary = tokenizer.get_vocab(with_added_tokens=True)
        needed = (BEGIN_OF_TEXT, PADDING, BEGIN_OF_IMAGE)
        if lacking := [token for token in needed if token not in vocabulary]:
            raise CheckpointError(
                f"the tokenizer has no token {', '.join(lacking)}: it is not that of a Janus-Pro model. Take "
                "the tokenizer.json that lies beside the weights"
            )
        self.begin, self.padding, self.begin_of_image = (vocabulary[token] for token in needed)
        self.largest_id = max(vocabulary.values())
        # Others in the table of added tokens are letters, which a prompt may have.
        added = tokenizer.get_added_tokens_decoder().values()
        self._reserved = {*needed, USER, ASSISTANT, *(token.content for token in added if token.special)}

    def batch(self, prompts: Sequence[str]) -> TextBatch:
        """Returns the prompts in their template."""
        return window([self._ids(prompt) for prompt in prompts], self.slots, self.padding)

    def null(self, text: TextBatch) -> TextBatch:
        """Returns a null prompt of the length of each row."""
        first_BL = text.mask & (text.mask.cumsum(1) == 1)
        return TextBatch(ids=torch.where(first_BL, self.begin, self.padding), mask=text.mask)

    def digest(self) -> str:
        """Returns a hash of the tokenizer."""
        return hashlib.blake2b(self.tokenizer.to_str().encode(), digest_size=16).hexdigest()

    def _ids(self, prompt: str) -> list[int]:
        shown, text = repr(prompt[:60]), prompt.strip()
        if not text:
            raise PromptError(f"prompt {shown} is empty; say what the picture shows")
        if reserved := sorted(token for token in self._reserved if token in text):
            raise PromptError(f"prompt {shown} holds {reserved[0]!r}, which Janus reserves; leave it out")
        whole = f"{USER}: {text}\n\n{ASSISTANT}:"
        ids = [self.begin, *self.tokenizer.encode(whole, add_special_tokens=False).ids]
        if len(ids) > self.slots:
            raise PromptError(
                f"prompt {shown}... has {len(ids)} tokens in its template; this policy reads at most "
                f"{self.slots} (janus.text_slots)"
            )
        return ids
