"""The training of a judge: its own loss, and the dense lessons that some of them get besides.

Axes: B rows, Q prompts, G pictures of a prompt, E outputs, L word slots, T patches, A attributes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from tessera.pretraining.descent import descend, trapezium
from tessera.pretraining.judges.labels import ATTRIBUTES, NOTHING, Labelled, join
from tessera.pretraining.muon import Muon
from tessera.rng import derive_seed
from tessera.scorers.judges.judge import Judge
from tessera.scorers.judges.layers import to_patches
from tessera.scorers.judges.models import Judgement, TwoTowers, build_model
from tessera.scorers.judges.sizes import SIZES, JudgeName
from tessera.types import Progress, silent
from tessera.world.grammar import vocabulary


@dataclass(frozen=True, kw_only=True, slots=True)
class JudgeTraining:
    """Hyper-parameters of one judge's training."""

    steps: int
    batch_size: int = 64  # rows, whole groups
    muon_lr: float = 0.01  # for the matrices inside the layers
    adam_lr: float = 4e-3  # for everything else
    warm_up: int = 20  # steps
    warm_down: float = 0.7  # share of the steps over which both rates fall to zero
    clip: float = 1.0  # gradient norm
    dense: float = 0.5  # weight of the lessons on words and patches; 0 leaves them out
    noise: float = 4.0  # standard deviation of noise on the pixels, levels of 255


class Lessons(nn.Module):
    """Heads that teach a model's features what words and patches show; dropped when training ends."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.words = nn.Linear(width, 1)
        self.patches = nn.ModuleList(nn.Linear(width, len(values) + 1) for values in ATTRIBUTES)

    def forward(self, judgement: Judgement, rows: Labelled) -> Float[Tensor, ""]:
        """Returns the loss of both lessons."""
        named_BL = rows.words != NOTHING
        logits_N = self.words(judgement.words_BLD)[..., 0].float()[named_BL]
        loss = F.binary_cross_entropy_with_logits(logits_N, rows.words[named_BL].float())
        for index, head in enumerate(self.patches):
            logits_BTV = head(judgement.patches_BTD).float()
            loss = loss + F.cross_entropy(logits_BTV.flatten(0, 1), rows.looks[..., index].flatten())
        return loss


def verdict_loss(judgement: Judgement, rows: Labelled) -> Float[Tensor, ""]:
    """Returns the cross-entropy of the answers: whether all facts hold and, if it is asked, their share."""
    wanted_BE = torch.stack([rows.strict, rows.soft], dim=1)[:, : judgement.outputs_BE.shape[1]]
    return F.binary_cross_entropy_with_logits(judgement.outputs_BE, wanted_BE)


def quality(rows: Labelled) -> Float[Tensor, " B"]:
    """Returns the scalar that the regressor learns: half of it whether all facts hold, half their share."""
    return 0.5 * rows.strict + 0.5 * rows.soft


def regression_loss(judgement: Judgement, rows: Labelled) -> Float[Tensor, ""]:
    """Returns the squared error of the score, and the log-loss of which of a prompt's pictures is better."""
    wanted_B = quality(rows)
    error = F.mse_loss(judgement.score_B, wanted_B)
    score_QG, wanted_QG = judgement.score_B.view(-1, rows.group), wanted_B.view(-1, rows.group)
    gap_QGG = score_QG[:, :, None] - score_QG[:, None]
    better_QGG = wanted_QG[:, :, None] > wanted_QG[:, None] + 1e-4
    if not better_QGG.any():
        return error
    return error + 0.1 * F.softplus(-gap_QGG[better_QGG] / SOFTNESS).mean()


SOFTNESS = 0.1  # a lead of this much of the scale counts as a moderate preference


def contrast_loss(model: TwoTowers, rows: Labelled, patches_BTN: Float[Tensor, "B T N"]) -> Float[Tensor, ""]:
    """Returns the loss of finding each prompt's first picture among all, and its prompt among all prompts.

    The first picture of a group is true; the others are spoilt, and are nobody's match.
    """
    first_Q = torch.arange(0, len(rows), rows.group)
    text_QE, _ = model.embed_text(rows.ids[first_Q])
    picture_BE, _ = model.embed_picture(patches_BTN)
    logits_QB = model.log_scale.exp().clamp(max=50) * text_QE @ picture_BE.T
    # A spoilt picture that happens to be right is no negative of its own prompt.
    lucky_B = (rows.strict == 1) & (torch.arange(len(rows)) % rows.group != 0)
    own_QB = torch.arange(len(rows))[None] // rows.group == torch.arange(len(first_Q))[:, None]
    logits_QB = logits_QB.masked_fill(own_QB & lucky_B, -torch.inf)
    target_Q = torch.arange(len(first_Q))
    return F.cross_entropy(logits_QB, first_Q) + F.cross_entropy(logits_QB[:, first_Q].T, target_Q)


def train_judge(
    name: JudgeName,
    corpora: Sequence[Labelled],
    training: JudgeTraining,
    seed: int,
    on_progress: Progress = silent,
) -> Judge:
    """Returns a judge trained on the corpora, each drawn from as often as its size says."""
    if name == "preference" and training.dense:
        raise ValueError(
            "the words of two towers never see a picture, so there is no lesson on them: dense=0"
        )
    torch.manual_seed(derive_seed("judge", name, seed))
    sizes = SIZES[name]
    model = build_model(name, sizes, len(vocabulary()))
    lessons = Lessons(sizes.width)
    learners = nn.ModuleList([model, lessons] if training.dense else [model])
    matrices = [p for key, p in model.named_parameters() if ".layers." in key and p.ndim == 2]
    inside = {id(p) for p in matrices}
    others = [p for p in learners.parameters() if id(p) not in inside]
    optimizers: list[tuple[torch.optim.Optimizer, float]] = [
        (Muon(matrices, lr=training.muon_lr), training.muon_lr),
        (
            torch.optim.AdamW(others, lr=training.adam_lr, betas=(0.9, 0.95), weight_decay=0.0),
            training.adam_lr,
        ),
    ]
    stream = _Stream(corpora, training.batch_size)
    met_V = torch.zeros(len(vocabulary()) + 1, dtype=torch.bool)
    for step in range(training.steps):
        rows = stream.draw()
        met_V[rows.ids.unique()] = True
        patches_BTN = to_patches(torch.from_numpy(rows.images))
        patches_BTN = patches_BTN + torch.randn_like(patches_BTN) * (training.noise / 127.5)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = _loss(name, model, lessons, rows, patches_BTN, training.dense)
        scale = trapezium(step, training.steps, training.warm_up, training.warm_down)
        descend(loss, optimizers, learners.parameters(), scale=scale, clip=training.clip)
        if step % 10 == 0 or step == training.steps - 1:
            on_progress(f"judge {name}", step + 1, training.steps, f"loss {loss.item():.3f}")
    # A word that it never met says nothing, instead of what chance gave it at the start.
    model.words.embedding.weight.data[~met_V] = 0
    return Judge(name, model.eval().requires_grad_(False))


def _loss(
    name: JudgeName,
    model: nn.Module,
    lessons: Lessons,
    rows: Labelled,
    patches_BTN: Float[Tensor, "B T N"],
    dense: float,
) -> Float[Tensor, ""]:
    if isinstance(model, TwoTowers):
        return contrast_loss(model, rows, patches_BTN)
    judgement = model(rows.ids, patches_BTN)
    own = regression_loss if name == "regressor" else verdict_loss
    loss = own(judgement, rows)
    return loss + dense * lessons(judgement, rows) if dense else loss


class _Stream:
    """Batches of whole groups: every corpus in a new order each time it has been read."""

    def __init__(self, corpora: Sequence[Labelled], batch_size: int) -> None:
        self.corpora = corpora
        self.groups = batch_size // corpora[0].group
        self.every = [(c, g) for c, each in enumerate(corpora) for g in range(len(each) // each.group)]
        self.left: list[tuple[int, int]] = []

    def draw(self) -> Labelled:
        """Returns the next batch."""
        while len(self.left) < self.groups:
            self.left += [self.every[i] for i in torch.randperm(len(self.every)).tolist()]
        chosen, self.left = self.left[: self.groups], self.left[self.groups :]
        parts = []
        for number, corpus in enumerate(self.corpora):
            starts_M = torch.tensor([g for c, g in chosen if c == number], dtype=torch.long) * corpus.group
            if len(starts_M):
                parts.append(corpus.rows((starts_M[:, None] + torch.arange(corpus.group)).flatten()))
        return join(parts)
