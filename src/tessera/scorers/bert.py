"""Words as BERT's pieces: the vocabulary of bert-base-uncased, read from its file of one piece per line.

The published pipelines call transformers' BertTokenizer. The same rules (lower case, accents stripped, every
punctuation mark by itself, the longest piece first) come here from `tokenizers`, without a processor class.
"""

from dataclasses import dataclass
from pathlib import Path

from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

from tessera.errors import CheckpointError
from tessera.hub import Home

FILE = "vocab.txt"
HOME = Home(repo="google-bert/bert-base-uncased", files=(FILE,), licence="not confirmed")

UNKNOWN, PAD, START, END = "[UNK]", "[PAD]", "[CLS]", "[SEP]"
SPECIAL = (UNKNOWN, PAD, START, END, "[MASK]")  # never cut, wherever they stand in a text


@dataclass(frozen=True, slots=True)
class Words:
    """A vocabulary at work."""

    path: Path
    tokenizer: Tokenizer
    size: int  # pieces; BLIP numbers its own two after them

    def ids(self, text: str) -> list[int]:
        """Returns the ids of a text's pieces, without [CLS] and [SEP]."""
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    def enclosed(self, text: str, limit: int) -> list[int]:
        """Returns at most `limit` ids: [CLS], the first pieces, [SEP]."""
        return [self.id_of(START), *self.ids(text)[: limit - 2], self.id_of(END)]

    def id_of(self, piece: str) -> int:
        """Returns the id of one piece; it must be there."""
        place = self.tokenizer.token_to_id(piece)
        if place is None:
            raise CheckpointError(f"{self.path} has no {piece!r}; use the {FILE} of {HOME.repo}")
        return place

    def check_fits(self, rows: int, extra: int, where: str) -> None:
        """Refuses a vocabulary of another size than the model's embedding, less what the model adds."""
        if self.size + extra != rows:
            raise CheckpointError(
                f"{self.path} has {self.size} pieces and {where} has {rows} embeddings, {extra} of them its "
                f"own: they do not belong together; use the {FILE} that the weights were trained with"
            )


def read_words(folder: Path) -> Words:
    """Returns the vocabulary in a folder."""
    path = folder / FILE
    try:
        # Not splitlines: it would also cut at characters that are pieces of their own.
        pieces = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    except UnicodeDecodeError as error:
        raise CheckpointError(f"{path} is not text; copy it again") from error
    if missing := [piece for piece in SPECIAL if piece not in pieces]:
        raise CheckpointError(f"{path} is no BERT vocabulary: {missing[0]} is missing; copy it again")
    places = {piece: index for index, piece in enumerate(pieces)}
    tokenizer = Tokenizer(WordPiece(places, unk_token=UNKNOWN))
    tokenizer.normalizer = BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = BertPreTokenizer()
    tokenizer.add_special_tokens(list(SPECIAL))
    return Words(path, tokenizer, len(pieces))
