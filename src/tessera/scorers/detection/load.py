"""The detection scorers: from configuration to instrument, and what is told of each."""

from tessera.scorers.detection.grounding_dino import HOME, GroundingDino
from tessera.scorers.detection.scorer import DetectionScorer
from tessera.scorers.detection.settings import DetectionReward
from tessera.scorers.entry import Entry

DetectionConfig = DetectionReward

PROOF = "tests/parity/test_grounding_dino.py"
SOURCE = "arXiv 2303.05499, 2505.00703"
SIZE = "172 M"  # parameters of transformers' default GroundingDinoConfig, counted


def load_detection(settings: DetectionReward) -> DetectionScorer:
    """Returns the scorer; its weights are looked for when it is first used."""
    name = "gdino" if settings.task == "prompt" else f"gdino-{settings.task}"
    detector = GroundingDino(settings.weights, settings.look, settings.place)
    return DetectionScorer(name, settings.task, detector)


def _entry(name: str, unit: str, needs: str) -> Entry:
    return Entry(
        name=name,
        role="detection",
        homes=(HOME,),
        size=SIZE,
        unit=unit,
        needs=needs,
        proof=PROOF,
        source=SOURCE,
    )


OR_SENTENCE = "in the prompt's metadata, or a simple sentence"

ENTRIES: tuple[Entry, ...] = (
    _entry("gdino-object", "fraction of objects found, in [0, 1]", f"nouns {OR_SENTENCE}"),
    _entry("gdino-spatial", "two objects and where they are, in [0, 0.9]", f"spatial {OR_SENTENCE}"),
    _entry("gdino-numeracy", "counts, in [0, 1]: 0.2 for a wrong one", f"numeracy {OR_SENTENCE}"),
    _entry("gdino", "whichever of the three the prompt asks for", f"one of the three {OR_SENTENCE}"),
)
