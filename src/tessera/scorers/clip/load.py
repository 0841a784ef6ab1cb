"""From the configuration of a CLIP scorer to the scorer, and what is told of each before it is used."""

from pathlib import Path

from transformers import CLIPModel

from tessera.hub import Home, found, locate, read_state
from tessera.protocols import Scorer
from tessera.scorers.clip import homes
from tessera.scorers.clip.aesthetic import AestheticPredictor, head_in
from tessera.scorers.clip.openclip import build, sizes_of
from tessera.scorers.clip.settings import HPS, Aesthetic, ClipScore, PickScore
from tessera.scorers.clip.similarity import Similarity
from tessera.scorers.clip.tokens import read_tokenizer
from tessera.scorers.clip.towers import towers_in, with_trunks_in
from tessera.scorers.entry import Entry
from tessera.scorers.placed import Held, Placement, held

ClipFamily = HPS | PickScore | ClipScore | Aesthetic

PROOF = "tests/parity/test_clip_scorers.py"

ENTRIES: tuple[Entry, ...] = (
    Entry(
        name="hps",
        role="preference",
        homes=(homes.HPS["2.1"], homes.HPS["2.0"], homes.VIT_H_VOCABULARY),
        size="986 M (CLIP ViT-H/14)",
        unit="cosine; compares pictures of one prompt. Means of its own benchmark, v2.1: 0.145 (GLIDE) to "
        "0.313 (SDXL refiner)",
        needs="",
        proof=PROOF,
        source="arXiv 2306.09341; github.com/tgxs002/HPSv2",
    ),
    Entry(
        name="pickscore",
        role="preference",
        homes=(homes.PICKSCORE, homes.VIT_H_VOCABULARY),
        size="986 M (CLIP ViT-H/14)",
        unit="cosine times exp(logit_scale); compares pictures of one prompt",
        needs="",
        proof=PROOF,
        source="arXiv 2305.01569; github.com/yuvalkirstain/PickScore",
    ),
    Entry(
        name="clipscore",
        role="alignment",
        homes=tuple(homes.CLIP.values()),
        size="151 M (B/32), 428 M (L/14) or 986 M (H/14)",
        unit="cosine, −1 to 1, neither scaled nor clipped; compares pictures of one prompt",
        needs="",
        proof=PROOF,
        source="arXiv 2103.00020; github.com/Karine-Huang/T2I-CompBench, CLIPScore_eval",
    ),
    Entry(
        name="aesthetic",
        role="aesthetic",
        homes=(homes.AESTHETIC_HEAD, homes.AESTHETIC_BACKBONE),
        size="428 M (CLIP L/14) and 0.9 M",
        unit="a mark; the published weights cannot leave −12.8 to 23.2",
        needs="",
        proof=PROOF,
        source="github.com/christophschuhmann/improved-aesthetic-predictor",
    ),
)


def load_clip(settings: ClipFamily) -> Scorer:
    """Returns the scorer; its files are found now, its weights read when it first scores."""
    match settings:
        case HPS():
            return _hps(settings)
        case PickScore():
            return _pickscore(settings)
        case ClipScore():
            return _clipscore(settings)
        case Aesthetic():
            return _aesthetic(settings)


def _hps(settings: HPS) -> Similarity:
    place = settings.place
    weights = _files(homes.HPS[settings.version], settings.weights, "weights")
    vocabulary = _files(homes.VIT_H_VOCABULARY, settings.tokenizer, "tokenizer")
    return Similarity(
        name=f"hps-{settings.version}",
        towers=_openclip_in(weights[0], place),
        tokenizer=read_tokenizer(vocabulary[0].parent),
        cleaning="openai",
        pipeline="tensor",
        scaled=False,
        place=place,
        files=(*weights, *vocabulary),
    )


def _pickscore(settings: PickScore) -> Similarity:
    weights = _files(homes.PICKSCORE, settings.weights, "weights")
    vocabulary = _files(homes.VIT_H_VOCABULARY, settings.tokenizer, "tokenizer")
    return Similarity(
        name="pickscore",
        towers=towers_in(weights[0].parent, settings.place),
        tokenizer=read_tokenizer(vocabulary[0].parent),
        cleaning="none",
        pipeline="processor",
        scaled=True,
        place=settings.place,
        files=(*weights, *vocabulary),
    )


def _clipscore(settings: ClipScore) -> Similarity:
    files = _files(homes.CLIP[settings.backbone], settings.weights, "weights")
    folder = files[0].parent
    return Similarity(
        name=f"clipscore-{settings.backbone.replace('/', '').lower()}",
        towers=towers_in(folder, settings.place),
        tokenizer=read_tokenizer(folder),
        cleaning="openai",
        pipeline="torchvision",
        scaled=False,
        place=settings.place,
        files=files,
    )


def _aesthetic(settings: Aesthetic) -> AestheticPredictor:
    head = _files(homes.AESTHETIC_HEAD, settings.weights, "weights")
    backbone = _files(homes.AESTHETIC_BACKBONE, settings.backbone, "backbone")
    return AestheticPredictor(
        towers=towers_in(backbone[0].parent, settings.place),
        head=head_in(head[0], settings.place),
        place=settings.place,
        files=(*head, *backbone),
    )


def _files(home: Home, given: str | None, setting: str) -> tuple[Path, ...]:
    """Returns the files of a home, fetched if they must be."""
    return tuple(found(home, locate(home, given, setting)))


def _openclip_in(path: Path, place: Placement) -> Held[CLIPModel]:
    """Returns the holder of the CLIP in a file of open_clip's layout."""

    def load() -> CLIPModel:
        state = read_state(path)
        clip = build(state, sizes_of(state, str(path)), str(path))
        return with_trunks_in(clip, place.torch_dtype())

    return held(("open_clip", path.resolve()), load, place)
