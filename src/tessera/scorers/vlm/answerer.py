"""A vision-language model that answers: how likely "yes" is to a question about a picture, or a text.

Benchmarks ask so (DPG-Bench, WISE). `Answerer` is the contract; Qwen2.5-VL is the one that is there, and
anybody's own is named by `module:function`: another model, or a server.

Qwen2.5-VL is asked each question with the picture alone, and P(yes) is that of "Yes" and "yes" against "No"
and "no" at the first token of its answer. A text is its likeliest one, token by token.
"""

import math
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import UInt8
from numpy import ndarray
from transformers import Qwen2_5_VLForConditionalGeneration

from tessera.errors import UserError
from tessera.hub import files_digest
from tessera.plugins import load_named
from tessera.rng import derive_seed
from tessera.scorers.vlm.answerer_settings import AnswererSettings, CustomAnswers, QwenAnswers
from tessera.scorers.vlm.heads import logits_of
from tessera.scorers.vlm.qwen import Qwen, read_qwen
from tessera.scorers.vlm.rows import Verdict, finite, missing, too_long
from tessera.scorers.vlm.vqascore import QWEN_2_5_VL

Written = tuple[str, str]  # a text and no reason, or no text and the reason

YES_OR_NO = "{question} Answer yes or no, in one word."
YES, NO = ("Yes", "yes"), ("No", "no")


@runtime_checkable  # so that tests check arguments at run time
class Answerer(Protocol):
    """Answers questions about pictures. What it says of one question depends on no other."""

    @property
    def name(self) -> str:
        """As results are labelled: it says which model answered."""
        ...

    def yes(
        self, images_BHWC: UInt8[ndarray, "B H W 3"], questions_B: Sequence[Sequence[str]]
    ) -> list[list[Verdict]]:
        """Returns P(yes) against P(no) of each picture's questions: (0 to 1, ""), or (NaN, why not)."""
        ...

    def write(self, images_BHWC: UInt8[ndarray, "B H W 3"], prompts: Sequence[str]) -> list[Written]:
        """Returns what it writes about each picture: (text, ""), or ("", why not)."""
        ...

    def digest(self) -> str:
        """Returns a hash of weights and wording: equal digests mean equal answers."""
        ...


class QwenAnswerer:
    """Qwen2.5-VL as an answerer; its files are looked for when it is first asked."""

    def __init__(self, settings: QwenAnswers) -> None:
        self._settings = settings
        self._qwen: Qwen | None = None

    @property
    def name(self) -> str:
        """That of the weights: the last part of the folder or hub id."""
        return (self._settings.weights or QWEN_2_5_VL.repo).rstrip("/").rpartition("/")[2]

    def yes(
        self, images_BHWC: UInt8[ndarray, "B H W 3"], questions_B: Sequence[Sequence[str]]
    ) -> list[list[Verdict]]:
        """Returns P(yes) of each question."""
        if not any(questions_B):
            return [[] for _ in questions_B]
        qwen = self._open()
        with qwen.held.at_work() as model:
            return [
                [self._chance(qwen, model, image_HWC, question) for question in questions]
                for image_HWC, questions in zip(images_BHWC, questions_B, strict=True)
            ]

    def write(self, images_BHWC: UInt8[ndarray, "B H W 3"], prompts: Sequence[str]) -> list[Written]:
        """Returns the likeliest texts, of at most `limit` tokens."""
        if not prompts:
            return []
        qwen = self._open()
        with qwen.held.at_work() as model:
            return [
                self._text(qwen, model, image_HWC, prompt)
                for image_HWC, prompt in zip(images_BHWC, prompts, strict=True)
            ]

    def digest(self) -> str:
        """Returns a hash of the weights, their dtype, the wording and the limit."""
        settings = self._settings
        names = (settings.kind, settings.place.dtype, files_digest(self._open().files), YES_OR_NO)
        return f"{derive_seed(*names, str(settings.limit)):016x}"

    def _chance(
        self, qwen: Qwen, model: Qwen2_5_VLForConditionalGeneration, image_HWC: ndarray, question: str
    ) -> Verdict:
        if reason := qwen.words.control_in(question) or too_long(image_HWC):
            return missing(reason)
        tokens = [qwen.words.single(word) for word in (*YES, *NO)]
        turn = qwen.ask(YES_OR_NO.format(question=question), [image_HWC])
        logits_K = logits_of(model.lm_head, qwen.features(model, turn), tokens).double()
        yes, no = logits_K[: len(YES)].logsumexp(0), logits_K[len(YES) :].logsumexp(0)
        return finite(float(torch.sigmoid(yes - no)))

    def _text(
        self, qwen: Qwen, model: Qwen2_5_VLForConditionalGeneration, image_HWC: ndarray, prompt: str
    ) -> Written:
        if reason := qwen.words.control_in(prompt) or too_long(image_HWC):
            return "", reason
        return qwen.answer(model, qwen.ask(prompt, [image_HWC]), self._settings.limit), ""

    def _open(self) -> Qwen:
        if self._qwen is None:
            self._qwen = read_qwen(QWEN_2_5_VL, self._settings.weights, self._settings.place)
        return self._qwen


def load_answerer(settings: AnswererSettings) -> Answerer:
    """Returns who answers; of Qwen2.5-VL nothing is read yet, somebody's own function is called now."""
    match settings:
        case QwenAnswers():
            return QwenAnswerer(settings)
        case CustomAnswers(function=function):
            made = load_named(function, "the answerer")()
            if not isinstance(made, Answerer):
                raise UserError(
                    f"{function}() returned {type(made).__name__}, which is no answerer: it needs name, yes, "
                    "write and digest (tessera.scorers.vlm.answerer)"
                )
            return made


def ask_yes(
    answerer: Answerer, images_BHWC: UInt8[ndarray, "B H W 3"], questions_B: Sequence[Sequence[str]]
) -> list[list[Verdict]]:
    """Returns the answerer's chances of yes, a number in [0, 1] or NaN with a reason for each question."""
    said = answerer.yes(images_BHWC, questions_B)
    wanted, got = [len(each) for each in questions_B], [len(each) for each in said]
    if got != wanted:
        raise UserError(f"{answerer.name} gave {got} answers to {wanted} questions; it owes one to each")
    for value, reason in (answer for answers in said for answer in answers):
        if not (math.isnan(value) or 0 <= value <= 1):
            raise UserError(f"{answerer.name} gave {value} as the chance of yes; it lies in [0, 1]")
        if math.isnan(value) and not reason:
            raise UserError(f"{answerer.name} gave NaN and no reason; what is missing needs one")
    return said


def ask_text(
    answerer: Answerer, images_BHWC: UInt8[ndarray, "B H W 3"], prompts: Sequence[str]
) -> list[Written]:
    """Returns the answerer's texts, one for each picture."""
    said = answerer.write(images_BHWC, prompts)
    if len(said) != len(prompts):
        raise UserError(f"{answerer.name} wrote {len(said)} answers about {len(prompts)} pictures")
    return said
