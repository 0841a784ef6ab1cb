"""T2I-CompBench's evaluators from their configuration: instruments, the scorer, and what is told of it."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import UInt8
from numpy import ndarray

from tessera.config import digest as config_digest
from tessera.protocols import Scorer
from tessera.scorers.blip import vqa
from tessera.scorers.blip.vqa import load_blip_vqa
from tessera.scorers.clip import homes
from tessera.scorers.clip.load import load_clip
from tessera.scorers.compbench.evaluator import Evaluator
from tessera.scorers.compbench.instruments import NEEDS, Instruments
from tessera.scorers.compbench.reading import load_reader
from tessera.scorers.compbench.settings import CompBench, DetectorSettings, OpenVocabulary
from tessera.scorers.compbench.verdict import verdict
from tessera.scorers.depth import dpt
from tessera.scorers.depth.dpt import Depth
from tessera.scorers.detection.detector import Detector
from tessera.scorers.detection.grounding_dino import GroundingDino
from tessera.scorers.detection.unidet import load as unidet
from tessera.scorers.detection.unidet.detector import UniDet
from tessera.scorers.entry import Entry
from tessera.tensors import Scores
from tessera.types import Prompt

BENCHMARK = "compbench"  # what metadata["benchmark"] of its prompts says
RULES = "t2i-compbench mended 1"  # changes when the rules do
RULES_PUBLISHED = "t2i-compbench published 1"
FOREIGN = "the prompt is none of T2I-CompBench's: its metadata's benchmark is not compbench"


@dataclass(frozen=True, kw_only=True, slots=True)
class CompBenchScorer:
    """The evaluator of each prompt's own category: the metric reward on T2I-CompBench's prompts."""

    evaluator: Evaluator
    official_bugs: bool

    @property
    def name(self) -> str:
        """As in messages."""
        return BENCHMARK

    def score(self, prompts: Sequence[Prompt], images_BHWC: UInt8[ndarray, "B H W 3"]) -> Scores:
        """Returns a value per picture in the unit of its category; NaN with a reason where there is none."""
        values, reasons = [float("nan")] * len(prompts), [FOREIGN] * len(prompts)
        own = [index for index, prompt in enumerate(prompts) if is_compbench(prompt)]
        if own:
            seen = self.evaluator.observe([prompts[index] for index in own], images_BHWC[own])
            for index, each in zip(own, seen, strict=True):
                grade = verdict(prompts[index], each, official_bugs=self.official_bugs)
                values[index], reasons[index] = float(grade.soft), grade.reason
        value_B = torch.tensor(values, dtype=torch.float64)
        return Scores(value_B=value_B, reasons=tuple(reasons), digest=self.digest())

    def digest(self) -> str:
        """Returns a hash of instruments and rules."""
        rules = RULES_PUBLISHED if self.official_bugs else RULES
        return config_digest({"rules": rules, "evaluator": self.evaluator.digest()})


def is_compbench(prompt: Prompt) -> bool:
    """Returns whether it is a prompt of T2I-CompBench, which says which of the evaluators judges it."""
    return prompt.metadata.get("benchmark") == BENCHMARK


def load_compbench(settings: CompBench) -> Scorer:
    """Returns the scorer; what it needs for its categories is looked for now or when it first scores."""
    return CompBenchScorer(evaluator=load_evaluator(settings), official_bugs=settings.official_bugs)


def load_evaluator(settings: CompBench) -> Evaluator:
    """Returns the evaluator, with the instruments that its categories need."""
    needed = frozenset[str]().union(*(NEEDS[category] for category in settings.categories))
    return Evaluator(
        categories=settings.categories,
        instruments=Instruments(
            attributes=load_blip_vqa(settings.attributes) if "attributes" in needed else None,
            similarity=load_clip(settings.similarity) if "similarity" in needed else None,
            plane=_detector(settings.detector) if "plane" in needed else None,
            counts=_detector(settings.depth_detector) if "counts" in needed else None,
            depth=Depth(settings.depth) if "depth" in needed else None,
            open_vocabulary=isinstance(settings.detector, OpenVocabulary),
        ),
        reader=load_reader(settings.chunks),
    )


def _detector(settings: DetectorSettings) -> Detector:
    if isinstance(settings, OpenVocabulary):
        return GroundingDino(settings.weights, settings.look, settings.place)
    return UniDet(settings)


ENTRIES: tuple[Entry, ...] = (
    Entry(
        name=BENCHMARK,
        role="alignment",
        homes=(vqa.HOME, homes.CLIP["B/32"], unidet.HOME, dpt.HOME),
        size="361 M (BLIP-VQA), 151 M (CLIP B/32), 122 M (DPT-Hybrid), two UniDet; what its categories need",
        unit="in [0, 1], non_spatial a cosine; compares pictures of one category",
        needs="a prompt of T2I-CompBench (metadata benchmark, of complex ones the kind); UniDet R50 and the "
        "BLIP of 480 pixels are not on the hub",
        proof="tests/unit/scorers/compbench/test_spatial.py",
        source="arXiv 2307.06350; github.com/Karine-Huang/T2I-CompBench",
    ),
)
