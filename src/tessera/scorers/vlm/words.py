"""A tokenizer as these scorers need it: nothing added, nothing cut, and each answer one token."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import transformers

from tessera.errors import CheckpointError

# The ChatML of Qwen2-VL, Qwen2.5-VL and LLaVA-OneVision, its default system message included
# (chat_template.json of the first two; conversation `qwen_1_5` in LLaVA-VL/LLaVA-NeXT:llava/conversation.py).
BEFORE = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n"
AFTER = "<|im_end|>\n<|im_start|>assistant\n"
CONTROLS = ("<|im_start|>", "<|im_end|>")


@dataclass(frozen=True, slots=True)
class Words:
    """A tokenizer, and where it came from."""

    tokenizer: Any  # one of transformers, whose types promise too little
    folder: Path

    def ids(self, text: str) -> list[int]:
        """Returns the ids of a text, control tokens in it read as such."""
        return self.tokenizer(text, add_special_tokens=False)["input_ids"]

    def single(self, word: str) -> int:
        """Returns the id of a word that must be one token."""
        return self.following("", word)

    def following(self, lead: str, word: str) -> int:
        """Returns the one token that writes `word` after `lead`."""
        before, whole = self.ids(lead) if lead else [], self.ids(lead + word)
        if whole[:-1] != before or whole[-1] == self.tokenizer.unk_token_id:
            place = f" after {lead!r}" if lead else ""
            raise CheckpointError(
                f"the tokenizer in {self.folder} has no token of its own for {word!r}{place}, which the "
                "scorer needs; take the tokenizer that was published with the weights"
            )
        return whole[-1]

    def control_in(self, text: str) -> str:
        """Returns why a prompt cannot be asked about: it holds a control token; empty if it can."""
        found = next((token for token in self.tokenizer.get_added_vocab() if token in text), None)
        return f"the prompt holds {found}, a control token of the scorer's model" if found else ""


def read_words(folder: Path, needed: tuple[str, ...] = ()) -> Words:
    """Returns the tokenizer in a folder, which must know ChatML and the `needed` control tokens."""
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{folder} holds no tokenizer that can be read ({error})") from error
    words = Words(tokenizer, folder)
    for token in (*CONTROLS, *needed):
        words.single(token)
    return words
