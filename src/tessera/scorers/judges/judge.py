"""A learned judge at work: prompts and pictures in, raw scores out; shipped by name, or read from a folder.

Rows are judged one at a time, at a fixed window of words and patches. A batch would be faster and would make
the last bits of a row's score depend on how many stand beside it: the products of a CPU round differently
for other shapes. One row takes about a millisecond, and memory is bounded whatever is asked.

Axes: B rows, L word slots.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

import torch
from jaxtyping import Int, UInt8
from numpy import ndarray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from tessera.errors import CheckpointError, PromptError
from tessera.scorers.judges.layers import to_patches
from tessera.scorers.judges.models import JudgeModel, build_model
from tessera.scorers.judges.sizes import SIZES, TEXT_SLOTS, JudgeName
from tessera.tensors import Scores
from tessera.types import Prompt
from tessera.world.grammar import check_words, vocabulary
from tessera.world.render import SIDE

PREPROCESSING = "uint8 / 127.5 - 1, 16 px patches, 24 words"  # a part of what the digest stands for


def word_ids(text: str) -> list[int]:
    """Returns the ids of a prompt's words, padded to the window; raises a `PromptError` if it cannot."""
    words = check_words(text)
    if len(words) > TEXT_SLOTS:
        raise PromptError(
            f"prompt {text[:60]!r}... has {len(words)} words; the judges read at most {TEXT_SLOTS}"
        )
    places = {word: index + 1 for index, word in enumerate(vocabulary())}
    return [places[word] for word in words] + [0] * (TEXT_SLOTS - len(words))


@dataclass(frozen=True, slots=True)
class Judge:
    """A model with its name. Higher is better; values of different judges are in different units."""

    judge: JudgeName
    model: JudgeModel

    @property
    def name(self) -> str:
        """As in messages."""
        return self.judge

    @torch.no_grad()
    def score(self, prompts: Sequence[Prompt], images_BHWC: UInt8[ndarray, "B H W 3"]) -> Scores:
        """Returns a value per picture; NaN with the reason where the prompt's words cannot be read."""
        if images_BHWC.shape[1:] != (SIDE, SIDE, 3):
            raise ValueError(f"expected pictures of {(SIDE, SIDE, 3)}, got {images_BHWC.shape[1:]}")
        value_B = torch.full((len(images_BHWC),), float("nan"), dtype=torch.float64)
        reasons: list[str] = []
        known: dict[str, Int[Tensor, "1 L"]] = {}
        for row, (prompt, image_HWC) in enumerate(zip(prompts, images_BHWC, strict=True)):
            try:
                if prompt.text not in known:
                    known[prompt.text] = torch.tensor([word_ids(prompt.text)])
            except PromptError as error:
                reasons.append(str(error))
                continue
            patches_1TN = to_patches(torch.from_numpy(image_HWC[None]))
            value_B[row] = self.model(known[prompt.text], patches_1TN).score_B[0].double()
            reasons.append("")
        return Scores(value_B=value_B, reasons=tuple(reasons), digest=self.digest())

    def digest(self) -> str:
        """Returns a hash of the weights by name, the words and the preprocessing."""
        total = hashlib.blake2b(digest_size=16)
        for part in (self.judge, PREPROCESSING, *vocabulary()):
            total.update(part.encode() + b"\0")
        for name, tensor in sorted(self.model.state_dict().items()):
            total.update(name.encode())
            total.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
        return total.hexdigest()


def load_judge(name: JudgeName) -> Judge:
    """Returns the shipped judge of that name."""
    with as_file(files("tessera.scorers.judges") / "assets") as folder:
        return read_judge(folder, name)


def read_judge(folder: Path, name: JudgeName) -> Judge:
    """Returns the judge of that name from a folder of judges."""
    path = folder / f"{name}.safetensors"
    if not path.is_file():
        raise CheckpointError(f"{folder} holds no judge {name!r}: {path.name} is missing")
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{path} is corrupted ({error}). Copy it again, or make it again with tessera world build"
        ) from error
    model = build_model(name, SIZES[name], len(vocabulary()))
    expected = {key: tuple(tensor.shape) for key, tensor in model.state_dict().items()}
    found = {key: tuple(tensor.shape) for key, tensor in tensors.items()}
    if expected != found:
        key = next(k for k in {**expected, **found} if expected.get(k) != found.get(k))
        raise CheckpointError(
            f"{path}: {key} has shape {found.get(key, 'none')}, the judge {name!r} has "
            f"{expected.get(key, 'none')}: it was made by another version; make it again"
        )
    broken = [key for key, tensor in tensors.items() if not torch.isfinite(tensor).all()]
    if broken:
        raise CheckpointError(f"{path}: {broken[0]} holds NaN or infinity; the weights are unusable")
    model.load_state_dict({key: tensor.float() for key, tensor in tensors.items()})
    return Judge(name, model.eval().requires_grad_(False))


def save_judge(judge: Judge, folder: Path) -> None:
    """Writes the judge's weights into a folder in half precision."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {k: t.detach().to(torch.float16).contiguous() for k, t in judge.model.state_dict().items()}
    temporary = folder / f".{judge.name}.safetensors"
    save_file(tensors, temporary)
    temporary.replace(folder / f"{judge.name}.safetensors")
