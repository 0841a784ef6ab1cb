"""Questions as BLIP-VQA was asked them by T2I-CompBench, and its answers as that benchmark adds them up.

Karine-Huang/T2I-CompBench:BLIPvqa_eval/BLIP_vqa.py, data/utils.py and models/blip_vqa.py: each noun phrase of
the prompt becomes a question, the probability of yes is rounded to four decimals, and a picture's score is
the product of them, rounded once more.
"""

from collections.abc import Sequence

import numpy as np

from tessera.scorers.bert import END, Words

DROPPED = str.maketrans("", "", '.!"()*#:;~')
MOST_WORDS = 50  # of a question; what follows is cut
MOST_PIECES = 35  # of a question, [ENC] and [SEP] among them
MOST_PHRASES = 8  # of a prompt; the first ones
DECIMALS = 4


def cleaned(question: str) -> str:
    """Returns the question in lower case, without some marks and without what is too long."""
    return " ".join(question.lower().translate(DROPPED).rstrip(" ").split(" ")[:MOST_WORDS])


def question_ids(question: str, words: Words) -> list[int]:
    """Returns a question's ids for the text encoder, [ENC] where BERT has [CLS]."""
    return [enc(words), *words.ids(cleaned(question))[: MOST_PIECES - 2], words.id_of(END)]


def dec(words: Words) -> int:
    """Returns the id of [DEC], with which the decoder begins: 30522 after the vocabulary of BERT."""
    return words.size


def enc(words: Words) -> int:
    """Returns the id of [ENC], with which a question begins: 30523 after the vocabulary of BERT."""
    return words.size + 1


def product(probabilities: Sequence[float]) -> float:
    """Returns the product of probabilities as published: factors rounded, multiplied in single precision."""
    total = np.float32(1)
    for probability in probabilities:
        total *= np.float32(round(probability, DECIMALS))
    return round(float(total), DECIMALS)
