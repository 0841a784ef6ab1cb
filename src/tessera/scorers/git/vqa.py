"""GIT-VQA: whether a picture shows the nouns of its prompt with their attributes, as T2I-R1 rewards it.

"a red car?" is put to GIT-large fine-tuned on VQAv2, and the score is the mean of p(yes) / (p(yes) + p(no))
over the prompt's phrases (arXiv 2505.00703, T2I-R1:src/t2i-r1/src/utils/reward_git.py); in [0, 1]. The
phrases are the prompt's nouns with their attributes, or else its bare nouns.

Deviation: that reward is the constant 0 for spatial and numeracy prompts, and 1 where a prompt has no nouns.
Neither says anything of a picture, so here both are NaN, with the reason.

Axes: B pictures, C questions of each, Q rows (B * C), S pixels of the model's square, L pieces, D width.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from jaxtyping import Float, Int, UInt8
from numpy import ndarray
from torch import Tensor, nn

from tessera.config import digest as config_digest
from tessera.errors import CheckpointError
from tessera.hub import SAVED, Home, files_digest, found, locate, pretrained
from tessera.scorers import bert as vocabulary
from tessera.scorers.bert import PAD, START, Words, read_words
from tessera.scorers.git import preprocess
from tessera.scorers.git.preprocess import Preprocessing, read_preprocessing
from tessera.scorers.git.settings import GitVqaConfig
from tessera.scorers.placed import Held, held
from tessera.scorers.rows import phrases, pieces, scores
from tessera.tensors import Scores
from tessera.types import Prompt

HOME = Home(
    repo="microsoft/git-large-vqav2",
    files=("config.json", "|".join(SAVED), preprocess.FILE, vocabulary.FILE),
    licence="MIT",
)
PREPROCESSING = "the checkpoint's own, by PIL; yes against no after [CLS] and the question"

UNASKED = frozenset({"spatial", "numeracy"})  # tasks of T2I-R1 that this reward is not for


class GitVqaModel(nn.Module):
    """GIT in the trunk's dtype; the head of two answers in float32."""

    def __init__(self, git: Any, words: Words, dtype: torch.dtype) -> None:
        super().__init__()
        answers = torch.tensor([words.id_of("yes"), words.id_of("no")])
        # Copies, made before the cast.
        self.weight = nn.Parameter(git.output.weight.detach()[answers].clone())
        self.bias = nn.Parameter(git.output.bias.detach()[answers].clone())
        self.git = git.git.to(dtype)

    def ask(
        self, pixels_B3SS: Float[Tensor, "B 3 S S"], ids_QL: Int[Tensor, "Q L"], length_Q: Int[Tensor, " Q"]
    ) -> Float[Tensor, " Q"]:
        """Returns p(yes) / (p(yes) + p(no)) after each question: all first ones, all second ones, and so on.

        GIT repeats its pictures for as many rows as there are questions, in this order: each is encoded once.
        """
        position_L = torch.arange(ids_QL.shape[1], device=ids_QL.device)
        states = self.git(
            input_ids=ids_QL,
            attention_mask=(position_L < length_Q[:, None]).long(),
            pixel_values=pixels_B3SS,
            use_cache=False,
        ).last_hidden_state
        text_QLD = states[:, -ids_QL.shape[1] :]  # the states of the picture come first
        last_QD = text_QLD[torch.arange(len(ids_QL), device=ids_QL.device), length_Q - 1]
        yes_no_Q2 = nn.functional.linear(last_QD.float(), self.weight, self.bias)
        return torch.sigmoid((yes_no_Q2[:, 0] - yes_no_Q2[:, 1]).double())


@dataclass(frozen=True, slots=True)
class GitVqa:
    """GIT-VQA at work."""

    settings: GitVqaConfig
    files: tuple[Path, ...]  # what its numbers depend on
    words: Words
    preprocessing: Preprocessing
    held: Held[GitVqaModel]

    @property
    def name(self) -> str:
        """As in messages."""
        return self.settings.kind

    def score(self, prompts: Sequence[Prompt], images_BHWC: UInt8[ndarray, "B H W 3"]) -> Scores:
        """Returns the mean probability of yes; NaN where nothing of the prompt can be asked."""
        asked = [questions(prompt) for prompt, _ in zip(prompts, images_BHWC, strict=True)]
        values = [float("nan")] * len(asked)
        by_count: dict[int, list[int]] = defaultdict(list)
        for row, (phrases_of_row, _) in enumerate(asked):
            by_count[len(phrases_of_row)].append(row)
        by_count.pop(0, None)
        if by_count:
            with self.held.at_work() as model:
                for count, rows in by_count.items():
                    # As many rows of pictures and questions at once as there may be pictures.
                    for some in pieces(rows, max(1, self.settings.place.batch_size // count)):
                        answers_CB = self._answers(
                            model, [asked[row][0] for row in some], images_BHWC[list(some)]
                        )
                        for row, value in zip(some, answers_CB.mean(dim=0).tolist(), strict=True):
                            values[row] = value
        return scores(values, [reason for _, reason in asked], self.digest())

    def _answers(
        self,
        model: GitVqaModel,
        asked: Sequence[Sequence[str]],
        images_BHWC: UInt8[ndarray, "B H W 3"],
    ) -> Float[Tensor, "C B"]:
        """Returns the probability of yes, by question and picture; all pictures have as many questions."""
        device, pad = self.settings.place.torch_device(), self.words.id_of(PAD)
        ids = [
            [self.words.id_of(START), *self.words.ids(question)]
            for turn in zip(*asked, strict=True)
            for question in turn
        ]
        longest = max(map(len, ids))
        ids_QL = torch.tensor([each + [pad] * (longest - len(each)) for each in ids], device=device)
        length_Q = torch.tensor([len(each) for each in ids], device=device)
        pixels_B3SS = self.preprocessing(images_BHWC).to(device)
        return model.ask(pixels_B3SS, ids_QL, length_Q).view(-1, len(asked))

    def digest(self) -> str:
        """Returns a hash of the weights, the vocabulary, the preprocessing and the trunk's dtype."""
        return config_digest(
            {
                "kind": self.name,
                "dtype": self.settings.place.dtype,
                "preprocessing": PREPROCESSING,
                "files": files_digest(self.files),
            }
        )


def questions(prompt: Prompt) -> tuple[list[str], str]:
    """Returns what is asked of a prompt's picture, and the reason where it is nothing."""
    task = prompt.metadata.get("task_type", prompt.category)
    if task in UNASKED:
        return [], f"this reward measures attributes; it has no questions for {task} prompts"
    asked, reason = phrases(prompt, "attr_nouns", "nouns")
    return [f"{phrase}?" for phrase in asked], reason


def load_git_vqa(settings: GitVqaConfig) -> GitVqa:
    """Returns the scorer, its files found; its weights are read when it first scores."""
    folder = locate(HOME, settings.weights, "weights")
    words, dtype = read_words(folder), settings.place.torch_dtype()
    preprocessing = read_preprocessing(folder / preprocess.FILE)
    return GitVqa(
        settings,
        tuple(found(HOME, folder)),
        words,
        preprocessing,
        held(("git-vqa", folder), lambda: read_model(folder, words, preprocessing, dtype), settings.place),
    )


def read_model(folder: Path, words: Words, preprocessing: Preprocessing, dtype: torch.dtype) -> GitVqaModel:
    """Returns the model of a folder as transformers saves it."""
    git = pretrained(transformers.GitForCausalLM, folder)
    words.check_fits(git.output.out_features, 0, str(folder))
    if preprocessing.side != git.config.vision_config.image_size:
        raise CheckpointError(
            f"{folder}: pictures of {preprocessing.side} pixels by its {preprocess.FILE}, of "
            f"{git.config.vision_config.image_size} by its config.json; copy both again"
        )
    return GitVqaModel(git, words, dtype)
