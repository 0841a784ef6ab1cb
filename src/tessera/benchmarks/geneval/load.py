"""GenEval from its configuration."""

from pathlib import Path

from tessera.benchmarks.geneval.benchmark import GenEval
from tessera.benchmarks.geneval.settings import GenEvalSettings
from tessera.scorers.detection.geneval_load import eyes


def load_geneval(settings: GenEvalSettings, data: Path) -> GenEval:
    """Returns the benchmark of a folder's prompts; weights are looked for when it first sees a picture."""
    return GenEval(
        data=data,
        eyes=eyes(settings.detector, settings.colours),
        title=settings.detector.label,
    )
