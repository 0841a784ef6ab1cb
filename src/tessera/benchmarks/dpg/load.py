"""DPG-Bench from its configuration."""

from pathlib import Path

from tessera.benchmarks.dpg.benchmark import Dpg
from tessera.benchmarks.dpg.files import read_dpg
from tessera.benchmarks.dpg.settings import DpgSettings
from tessera.scorers.vlm.answerer import load_answerer

FOLDER = "dpg_bench"  # of the data directory, as in the published repository


def load_dpg(settings: DpgSettings, folder: Path) -> Dpg:
    """Returns the benchmark; `folder` is the data directory. The judge is looked for when it is asked."""
    judge = load_answerer(settings.judge)
    who = f"{judge.name}{'' if settings.judge.published else ', not mPLUG'}"
    faults = ", with the published script's faults" if settings.official_bugs else ""
    return Dpg(
        listed=tuple(read_dpg(Path(settings.data).expanduser() if settings.data else folder / FOLDER)),
        judge=judge,
        title=f"DPG-Bench ({who}{faults})",
        official_bugs=settings.official_bugs,
    )
