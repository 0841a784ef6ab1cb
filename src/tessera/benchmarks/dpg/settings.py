"""The configuration of DPG-Bench: where its files are, and who answers its questions."""

from typing import Literal

from tessera.config import config
from tessera.scorers.vlm.answerer_settings import AnswererSettings, QwenAnswers


@config
class DpgSettings:
    """DPG-Bench (arXiv 2403.05135): 1065 long prompts, with questions whose answer should be yes."""

    kind: Literal["dpg"] = "dpg"
    data: str | None = None  # folder with prompts/ and dpg_bench.csv; unset: dpg_bench/ of the data directory
    judge: AnswererSettings = QwenAnswers()
    official_bugs: bool = False  # with the faults of the published script (faults.py)
