"""Every scorer that goes by a name, with what is told of it: what `tessera scorers` lists."""

from tessera.scorers.blip.load import ENTRIES as BLIP
from tessera.scorers.clip.load import ENTRIES as CLIP
from tessera.scorers.compbench.load import ENTRIES as COMPBENCH
from tessera.scorers.detection.geneval_load import ENTRIES as GENEVAL
from tessera.scorers.detection.load import ENTRIES as DETECTION
from tessera.scorers.entry import Entry
from tessera.scorers.git.load import ENTRIES as GIT
from tessera.scorers.judges.sizes import SIZES
from tessera.scorers.vlm.load import ENTRIES as VLM

MOSAIC = "the words of mosaic, and pictures of 128 pixels"

SHIPPED = (
    Entry(
        name="metric",
        role="verifier",
        homes=(),
        size="no weights",
        unit="half the share of facts that hold, half whether all do; 0 to 1",
        needs=MOSAIC,
        proof="tests/unit/rewards/test_metric.py",
        source="docs/mosaic.md",
    ),
    *(
        Entry(
            name=name,
            role="preference" if name == "preference" else "alignment",
            homes=(),
            size="shipped, below 2 MB",
            unit="its own; compares pictures of one prompt",
            needs=MOSAIC,
            proof="tests/unit/scorers/judges/test_judge.py",
            source="docs/judges.md",
        )
        for name in SIZES
    ),
)

ENTRIES: tuple[Entry, ...] = (*SHIPPED, *CLIP, *BLIP, *GIT, *VLM, *DETECTION, *GENEVAL, *COMPBENCH)
