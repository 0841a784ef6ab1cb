"""The architectures of the judges: two towers, cross-attention, and words and patches in one sequence.

Every model is called with word ids and patches and returns `Judgement`: the score, and the features that its
training teaches more about than the score alone. Axes as in `layers`.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from tessera.scorers.judges.layers import Patches, Stack, Words
from tessera.scorers.judges.sizes import TEXT_SLOTS, JudgeName, JudgeSizes


@dataclass(frozen=True, kw_only=True, slots=True)
class Judgement:
    """What a model says of rows."""

    score_B: Float[Tensor, " B"]  # in the unit of the judge
    outputs_BE: Float[Tensor, "B E"]  # what the score is made of
    words_BLD: Float[Tensor, "B L D"]  # features of the words, having seen the picture
    patches_BTD: Float[Tensor, "B T D"]


class TwoTowers(nn.Module):
    """Words and picture never meet before the end: the cosine of two vectors, in [-1, 1] (as HPS, CLIP)."""

    def __init__(self, sizes: JudgeSizes, words: int) -> None:
        super().__init__()
        self.words = Words(words, sizes.width)
        self.text = Stack(sizes.width, sizes.text_layers)
        self.text_out = nn.Linear(sizes.width, sizes.embedding, bias=False)
        self.patches = Patches(sizes.width)
        self.picture = Stack(sizes.width, sizes.picture_layers)
        self.picture_out = nn.Linear(sizes.width, sizes.embedding, bias=False)
        self.log_scale = nn.Parameter(torch.tensor([2.3]))  # of the contrast, in training alone

    def embed_text(self, ids_BL: Int[Tensor, "B L"]) -> tuple[Float[Tensor, "B E"], Float[Tensor, "B L D"]]:
        """Returns a unit vector per prompt, and the features of its words."""
        words_BLD = self.text(self.words(ids_BL))
        return F.normalize(self.text_out(words_BLD.mean(1)).float(), dim=-1), words_BLD

    def embed_picture(
        self, patches_BTN: Float[Tensor, "B T N"]
    ) -> tuple[Float[Tensor, "B E"], Float[Tensor, "B T D"]]:
        """Returns a unit vector per picture, and the features of its patches."""
        patches_BTD = self.picture(self.patches(patches_BTN))
        return F.normalize(self.picture_out(patches_BTD.mean(1)).float(), dim=-1), patches_BTD

    def forward(self, ids_BL: Int[Tensor, "B L"], patches_BTN: Float[Tensor, "B T N"]) -> Judgement:
        text_BE, words_BLD = self.embed_text(ids_BL)
        picture_BE, patches_BTD = self.embed_picture(patches_BTN)
        outputs_BE = text_BE * picture_BE
        return Judgement(
            score_B=outputs_BE.sum(-1), outputs_BE=outputs_BE, words_BLD=words_BLD, patches_BTD=patches_BTD
        )


class CrossReader(nn.Module):
    """Words that look at the picture again and again; a scalar of their mean (as ImageReward, BLIP)."""

    def __init__(self, sizes: JudgeSizes, words: int) -> None:
        super().__init__()
        self.words = Words(words, sizes.width)
        self.patches = Patches(sizes.width)
        self.picture = Stack(sizes.width, sizes.picture_layers)
        self.joint = Stack(sizes.width, sizes.joint_layers, crosses=True)
        self.head = nn.Linear(sizes.width, 1)

    def forward(self, ids_BL: Int[Tensor, "B L"], patches_BTN: Float[Tensor, "B T N"]) -> Judgement:
        patches_BTD = self.picture(self.patches(patches_BTN))
        words_BLD = self.joint(self.words(ids_BL), patches_BTD)
        outputs_BE = self.head(words_BLD.mean(1)).float()
        return Judgement(
            score_B=outputs_BE[:, 0], outputs_BE=outputs_BE, words_BLD=words_BLD, patches_BTD=patches_BTD
        )


class JointReader(nn.Module):
    """Words, patches and a slot for the answer in one sequence (as the vision-language models)."""

    def __init__(self, sizes: JudgeSizes, words: int, answers: int) -> None:
        super().__init__()
        self.answer = nn.Parameter(torch.randn(sizes.width) * 0.5)
        self.words = Words(words, sizes.width)
        self.patches = Patches(sizes.width)
        self.joint = Stack(sizes.width, sizes.joint_layers)
        self.head = nn.Linear(sizes.width, answers)

    def forward(self, ids_BL: Int[Tensor, "B L"], patches_BTN: Float[Tensor, "B T N"]) -> Judgement:
        answer_B1D = self.answer.expand(len(ids_BL), 1, -1)
        x_BSD = torch.cat([answer_B1D, self.words(ids_BL), self.patches(patches_BTN)], dim=1)
        x_BSD = self.joint(x_BSD)
        outputs_BE = self.head(x_BSD[:, 0]).float()
        return Judgement(
            # The mean of its answers, each a probability: all facts hold, and the share that does.
            score_B=outputs_BE.sigmoid().mean(-1),
            outputs_BE=outputs_BE,
            words_BLD=x_BSD[:, 1 : 1 + TEXT_SLOTS],
            patches_BTD=x_BSD[:, 1 + TEXT_SLOTS :],
        )


JudgeModel = TwoTowers | CrossReader | JointReader


def build_model(name: JudgeName, sizes: JudgeSizes, words: int) -> JudgeModel:
    """Returns the judge's model with fresh weights from torch's global generator."""
    match name:
        case "preference":
            return TwoTowers(sizes, words)
        case "regressor":
            return CrossReader(sizes, words)
        case "unified":
            return JointReader(sizes, words, answers=2)
        case "orm":
            return JointReader(sizes, words, answers=1)
