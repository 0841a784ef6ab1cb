"""The configuration of WISE: which edition, where its files are, who judges and in which words."""

from typing import Literal

from tessera.config import config
from tessera.scorers.vlm.answerer_settings import AnswererSettings, QwenAnswers

Edition = Literal["verified", "legacy"]


@config
class WiseSettings:
    """WISE (arXiv 2503.07265): 1000 prompts whose meaning takes knowledge of the world."""

    kind: Literal["wise"] = "wise"
    # Folder with the edition's three files, or with its repository; unset: wise/ of the data directory.
    data: str | None = None
    edition: Edition = "verified"
    judge: AnswererSettings = QwenAnswers()
    question: str | None = None  # file with what the judge is asked, {prompt} and {explanation} in it
