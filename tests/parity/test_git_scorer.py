"""GIT-VQA against transformers' GIT asked one question at a time, the way T2I-R1 asks."""

from pathlib import Path

import torch
import transformers

from tessera.scorers.git.preprocess import read_preprocessing
from tessera.scorers.git.settings import GitVqaConfig
from tessera.scorers.git.vqa import load_git_vqa
from tessera.scorers.placed import Placement
from tessera.types import Prompt
from tests.unit.scorers.blip.tiny import VOCABULARY, ids_of, pictures
from tests.unit.scorers.git.tiny import git_folder

ASKED = [["red car", "the big blue dog with a star"], ["cat"], ["star", "two small round table"], ["big dog"]]


def test_git_vqa_is_the_mean_of_questions_asked_alone(tmp_path: Path) -> None:
    folder = git_folder(tmp_path)
    images = pictures(len(ASKED))
    pixels = read_preprocessing(folder / "preprocessor_config.json")(images)
    model = transformers.GitForCausalLM.from_pretrained(folder).eval()
    yes, no = VOCABULARY.index("yes"), VOCABULARY.index("no")
    expected = []
    for row, nouns in enumerate(ASKED):
        answers = []
        for noun in nouns:
            ids = torch.tensor([[VOCABULARY.index("[CLS]"), *ids_of(f"{noun} ?")]])
            with torch.no_grad():
                last = model(input_ids=ids, pixel_values=pixels[row : row + 1]).logits[0, -1]
            p = last.softmax(-1)
            answers.append((p[yes] / (p[yes] + p[no])).item())
        expected.append(sum(answers) / len(answers))
    assert max(expected) - min(expected) > 0.02  # the tolerance below is a fraction of it
    prompts = [Prompt(id="", text="", metadata={"attr_nouns": nouns}) for nouns in ASKED]
    for size in (1, 3, 8):
        place = Placement(device="cpu", batch_size=size)
        got = load_git_vqa(GitVqaConfig(weights=str(folder), place=place)).score(prompts, images).value_B
        torch.testing.assert_close(got, torch.tensor(expected, dtype=torch.float64), rtol=0, atol=1e-6)
