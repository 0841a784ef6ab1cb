"""From configuration to scorer, and what is told of each."""

from tessera.protocols import Scorer
from tessera.scorers import bert as vocabulary
from tessera.scorers.blip import imagereward, vqa
from tessera.scorers.blip.imagereward import load_imagereward
from tessera.scorers.blip.settings import BlipVqaConfig, ImageRewardConfig
from tessera.scorers.blip.vqa import load_blip_vqa
from tessera.scorers.entry import Entry

BlipConfig = ImageRewardConfig | BlipVqaConfig

ENTRIES = (
    Entry(
        name="imagereward",
        role="preference",
        homes=(imagereward.HOME, vocabulary.HOME),
        size="446 M",
        unit="standardised reward, about N(0, 1); its authors' four example pictures get 0.58 to -2.03",
        needs="",
        proof="tests/parity/test_blip_scorers.py",
        source="arXiv 2304.05977; THUDM/ImageReward",
    ),
    Entry(
        name="blip-vqa",
        role="question answering",
        homes=(vqa.HOME, vocabulary.HOME),
        size="361 M",
        unit="product of p(yes) over the phrases, 0 to 1, four decimals",
        needs="metadata 'phrases'; for T2I-CompBench's numbers the authors' file, which is not on the hub",
        proof="tests/parity/test_blip_scorers.py",
        source="arXiv 2201.12086; Karine-Huang/T2I-CompBench:BLIPvqa_eval",
    ),
)


def load_blip(settings: BlipConfig) -> Scorer:
    """Returns the scorer that the settings name."""
    match settings:
        case ImageRewardConfig():
            return load_imagereward(settings)
        case BlipVqaConfig():
            return load_blip_vqa(settings)
