"""Prompts of Emu3: its tokens, a text window of fixed length, the null prompt, and where the codes lie.

A picture is part of the text (baaivision/Emu3: emu3/mllm/processing_emu3.py, utils_emu3.py):

    <begin of text>{prompt}{suffix}<|image start|>{rows}*{columns}<|image token|>
    {code} ... {code}<end of row>
    ...
    {code} ... {code}<end of row><end of picture><|image end|><end of text>

Everything but the codes is given: what comes before them is the preamble, the same for all prompts and in no
batch, so whoever reads one appends it. The null prompt has the same preamble and no suffix. (In the
example of transformers' documentation it lacks the preamble; in the official script it has it.)

Text is cut into words as by the official tokenizer (emu3/mllm/tokenization_emu3.py), whatever the file says:
the converter of transformers puts the rule of GPT-2 in its place (convert_emu3_weights_to_hf.py), under which
"blue-green" begins with other tokens than those the model was trained on.

A prompt shorter than the window stands at its right end. The blank slots before it hold the padding token and
are masked: nothing attends them.
"""

import hashlib
from collections.abc import Sequence

from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers

from tessera.errors import CheckpointError, PromptError, UserError
from tessera.policies.emu3.config import Emu3Config
from tessera.policies.trunk import window
from tessera.tensors import TextBatch

BEGIN_OF_TEXT, PADDING, END_OF_ROW = "<|extra_203|>", "<|endoftext|>", "<|extra_200|>"
IMAGE_START, IMAGE_TOKEN = "<|image start|>", "<|image token|>"
NEEDED = (BEGIN_OF_TEXT, PADDING, END_OF_ROW, IMAGE_START, IMAGE_TOKEN)

# What one word is: a contraction, letters with one other sign before them or none, a digit, signs, or space.
WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
    r"|[^\r\n\p{L}\p{N}]?\p{L}+"
    r"|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+"
    r"|\s+(?!\S)"
    r"|\s+"
)


def code_token(number: int) -> str:
    """Returns the token of an entry of the codebook."""
    return f"<|visual token {number:06d}|>"


class Prompts:
    """What reads prompts for one tokenizer, one length of the window and one size of pictures."""

    def __init__(self, tokenizer: Tokenizer, settings: Emu3Config, *, codebook: int) -> None:
        self.tokenizer = tokenizer
        tokenizer.no_padding()
        tokenizer.no_truncation()
        tokenizer.normalizer = normalizers.NFC()  # pyright: ignore[reportAttributeAccessIssue] - it can be set
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(  # pyright: ignore[reportAttributeAccessIssue] - likewise
            [
                pre_tokenizers.Split(Regex(WORDS), behavior="isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )
        self.slots = settings.text_slots
        self.suffix = settings.suffix
        self.vocabulary = tokenizer.get_vocab(with_added_tokens=True)
        self._find(codebook)
        # Ids of words alone: neither of the preamble, nor of codes, nor of others that stand for themselves.
        added = tokenizer.get_added_tokens_decoder().items()
        codes = range(self.first_code, self.first_code + codebook)
        self._reserved = {number for number, token in added if token.special} | set(codes)
        rows, columns = settings.grid
        size = tokenizer.encode(f"{rows}*{columns}", add_special_tokens=False).ids
        self.preamble = (self.vocabulary[IMAGE_START], *size, self.vocabulary[IMAGE_TOKEN])
        self._null = self._negative(settings.negative_prompt)

    def _find(self, codebook: int) -> None:
        """Notes the ids of the tokens; codes must be there, all of them and in order."""
        needed = (*NEEDED, code_token(0))
        if lacking := [token for token in needed if token not in self.vocabulary]:
            raise CheckpointError(
                f"the tokenizer has no token {', '.join(lacking)}: it is not that of an Emu3 model. Take the "
                "tokenizer.json that lies beside the weights"
            )
        self.begin, self.padding, self.end_of_row = (self.vocabulary[token] for token in NEEDED[:3])
        self.first_code = self.vocabulary[code_token(0)]
        for number in range(codebook):
            if self.vocabulary.get(code_token(number)) != self.first_code + number:
                raise CheckpointError(
                    f"the tokenizer does not have {code_token(number)} at place {number} of the {codebook} "
                    "codes of the VQ model: tokenizer.json and the weights do not belong together"
                )

    def batch(self, prompts: Sequence[str]) -> TextBatch:
        """Returns the prompts, each with begin-of-text and suffix."""
        return window([self._ids(prompt) for prompt in prompts], self.slots, self.padding)

    def null(self, rows: int) -> TextBatch:
        """Returns the null prompt, so many times."""
        return window([self._null] * rows, self.slots, self.padding)

    def digest(self) -> str:
        """Returns a hash of the tokenizer and of what surrounds a prompt."""
        text = f"{self._null} {self.preamble} {self.suffix!r} {self.tokenizer.to_str()}"
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    def _ids(self, prompt: str) -> list[int]:
        shown, text = repr(prompt[:60]), prompt.strip()
        if not text:
            raise PromptError(f"prompt {shown} is empty; say what the picture shows")
        words = self._words(text + self.suffix)
        if reserved := self._reserved.intersection(words):
            token = self.tokenizer.id_to_token(min(reserved))
            raise PromptError(
                f"prompt {shown} or emu3.suffix holds {token!r}, which Emu3 reserves; leave it out"
            )
        if len(words) >= self.slots:
            raise PromptError(
                f"prompt {shown}... has {len(words) + 1} tokens with begin-of-text and suffix; this policy "
                f"reads at most {self.slots} (emu3.text_slots)"
            )
        return [self.begin, *words]

    def _negative(self, text: str) -> list[int]:
        """Returns the null prompt."""
        words = self._words(text)
        if reserved := self._reserved.intersection(words):
            token = self.tokenizer.id_to_token(min(reserved))
            raise UserError(f"emu3.negative_prompt holds {token!r}, which Emu3 reserves; leave it out")
        if len(words) >= self.slots:
            raise UserError(
                f"emu3.negative_prompt has {len(words) + 1} tokens with begin-of-text, emu3.text_slots is "
                f"{self.slots}: raise one or shorten the other"
            )
        return [self.begin, *words]

    def _words(self, text: str) -> list[int]:
        return self.tokenizer.encode(text, add_special_tokens=False).ids
