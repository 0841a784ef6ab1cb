"""GenEval's instruments from their configuration, and what is told of them as a scorer."""

from tessera.scorers.detection import colours
from tessera.scorers.detection.geneval_eyes import Eyes
from tessera.scorers.detection.geneval_reward import GenEvalScorer
from tessera.scorers.detection.geneval_settings import ColourSettings, GenEvalReward
from tessera.scorers.detection.mask2former import detector
from tessera.scorers.detection.mask2former.settings import Mask2FormerSettings
from tessera.scorers.entry import Entry

ENTRIES: tuple[Entry, ...] = (
    Entry(
        name="geneval",
        role="detection",
        homes=(detector.HOME, colours.HOME),
        size="69 M (Mask2Former, Swin-S) and 428 M (CLIP L/14)",
        unit="share of the counts, colours and places asked for, in [0, 1]; with strict=true 1 where all are "
        "exact, else 0",
        needs="a line of GenEval's metadata in the prompt's: include, tag; for GenEval's own detector "
        "detector.weights=OpenMMLab's file",
        proof="tests/parity/test_geneval.py",
        source="arXiv 2310.11513, 2505.05470",
    ),
)


def eyes(detector_settings: Mask2FormerSettings, colour_settings: ColourSettings) -> Eyes:
    """Returns the eyes; their weights are looked for when they are first used."""
    return Eyes(
        segmenter=detector.Mask2Former(detector_settings), colours=colours.ColourClassifier(colour_settings)
    )


def load_geneval(settings: GenEvalReward) -> GenEvalScorer:
    """Returns the scorer; its weights are looked for when it is first used."""
    return GenEvalScorer(eyes(settings.detector, settings.colours), settings.strict)
