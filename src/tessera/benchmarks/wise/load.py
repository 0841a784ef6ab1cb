"""WISE from its configuration."""

from pathlib import Path

from tessera.benchmarks.wise.benchmark import Wise
from tessera.benchmarks.wise.files import read_wise
from tessera.benchmarks.wise.questions import OWN, read_question
from tessera.benchmarks.wise.settings import Edition, WiseSettings
from tessera.scorers.vlm.answerer import load_answerer

FOLDER = "wise"  # of the data directory
TITLES: dict[Edition, str] = {"verified": "WISE_Verified", "legacy": "WISE"}
JUDGES: dict[Edition, str] = {"verified": "Qwen3.5-35B-A3B", "legacy": "GPT-4o-2024-05-13"}  # of the tables


def load_wise(settings: WiseSettings, folder: Path) -> Wise:
    """Returns the benchmark; `folder` is the data directory. The judge is looked for when it is asked."""
    edition, file = settings.edition, Path(settings.question).expanduser() if settings.question else None
    judge = load_answerer(settings.judge)
    who = f"{judge.name}{'' if settings.judge.published else f', not {JUDGES[edition]}'}"
    words = f"in the words of {file.name}" if file else "not in the published words"
    return Wise(
        listed=tuple(
            read_wise(Path(settings.data).expanduser() if settings.data else folder / FOLDER, edition)
        ),
        edition=edition,
        judge=judge,
        question=read_question(file) if file else OWN[edition],
        title=f"{TITLES[edition]} ({who}; {words})",
    )
