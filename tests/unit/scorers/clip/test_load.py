"""From configuration to CLIP scorer: what is shared, what is refused and how, what is told beforehand."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from tessera.config import from_plain, to_plain
from tessera.errors import CheckpointError, UserError
from tessera.scorers.clip.aesthetic import AestheticPredictor, head_of
from tessera.scorers.clip.load import ENTRIES, load_clip
from tessera.scorers.clip.openclip import ClipSizes, TowerSizes, build, sizes_of
from tessera.scorers.clip.settings import HPS, Aesthetic, ClipScore, PickScore
from tessera.scorers.clip.similarity import Similarity
from tests.unit.scorers.clip import reference
from tests.unit.scorers.clip.tiny import (
    CODES,
    REPO,
    Library,
    pictures,
    prompts,
    random_clip,
    write_torch,
)


@pytest.fixture
def library(tmp_path: Path) -> Library:
    return Library(tmp_path)


def score(settings: HPS | PickScore | ClipScore | Aesthetic) -> float:
    return load_clip(settings).score(prompts("red"), pictures(1)).value_B.item()


@pytest.mark.parametrize(
    "settings", [HPS(version="2.0"), PickScore(), ClipScore(backbone="L/14"), Aesthetic()]
)
def test_settings_survive_being_written(settings: Any) -> None:
    assert from_plain(type(settings), to_plain(settings), where="here") == settings
    with pytest.raises(UserError, match="unknown key"):
        from_plain(type(settings), {"weight": "x"}, where="here")


def test_scorers_on_one_backbone_share_it(library: Library) -> None:
    aesthetic = load_clip(Aesthetic(weights=library.path("head"), backbone=library.path("clip")))
    similarity = load_clip(ClipScore(backbone="L/14", weights=library.path("clip")))
    pickscore = load_clip(PickScore(weights=library.path("pickscore"), tokenizer=library.path("tokenizer")))
    assert isinstance(aesthetic, AestheticPredictor)
    assert isinstance(similarity, Similarity)
    assert isinstance(pickscore, Similarity)
    assert aesthetic.towers is similarity.towers
    assert aesthetic.towers is not pickscore.towers


def test_a_prompt_that_occurs_many_times_is_read_once(library: Library) -> None:
    scorer = load_clip(ClipScore(weights=library.path("clip")))
    assert isinstance(scorer, Similarity)
    read: list[int] = []
    with scorer.towers.at_work() as clip:
        clip.text_model.embeddings.register_forward_hook(lambda module, given, made: read.append(len(made)))
    scorer.score(prompts("red", "a cat", "red", "red", "a cat"), pictures(5))
    assert read == [2]


def test_versions_are_different_instruments_even_in_one_folder(library: Library) -> None:
    both: dict[str, Any] = {"weights": library.path("hps"), "tokenizer": library.path("tokenizer")}
    new, old = load_clip(HPS(version="2.1", **both)), load_clip(HPS(version="2.0", **both))
    values = [each.score(prompts("red"), pictures(1)).value_B.item() for each in (new, old)]
    assert values[0] != values[1]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (HPS(), ("HPS_v2.1_compressed.pt", "xswu/HPSv2", "Apache-2.0", "weights=FOLDER")),
        (HPS(version="2.0"), ("HPS_v2_compressed.pt",)),
        (PickScore(), ("yuvalkirstain/PickScore_v1", "not confirmed")),
        (ClipScore(), ("openai/clip-vit-base-patch32", "config.json")),
        (ClipScore(backbone="H/14"), ("laion/CLIP-ViT-H-14-laion2B-s32B-b79K",)),
        (Aesthetic(), ("sac+logos+ava1-l14-linearMSE.pth",)),
    ],
)
def test_what_is_not_here_and_cannot_be_fetched_is_one_sentence(
    settings: HPS | PickScore | ClipScore | Aesthetic,
    words: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(CheckpointError, match="is not on this machine and could not be fetched") as told:
        load_clip(settings)
    assert all(word in str(told.value) for word in words)


def test_a_second_folder_that_is_missing_is_named_by_its_setting(library: Library, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(CheckpointError, match=r"lacks vocab\.json or tokenizer\.json.*tokenizer=FOLDER"):
        load_clip(HPS(weights=library.path("hps"), tokenizer=str(empty)))
    with pytest.raises(CheckpointError, match=r"lacks config\.json.*backbone=FOLDER"):
        load_clip(Aesthetic(weights=library.path("head"), backbone=str(empty)))


def test_a_torn_checkpoint_is_refused_when_it_is_read(library: Library) -> None:
    path = library.folder / "hps" / "HPS_v2.1_compressed.pt"
    path.write_bytes(path.read_bytes()[:20000])
    with pytest.raises(CheckpointError, match="cannot be read"):
        score(HPS(weights=library.path("hps"), tokenizer=library.path("tokenizer")))
    path = library.folder / "clip" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:20000])
    with pytest.raises(CheckpointError, match="cannot be loaded as CLIPModel"):
        score(ClipScore(weights=library.path("clip")))


def test_a_clip_with_a_part_missing_is_refused(library: Library) -> None:
    path = library.folder / "clip" / "model.safetensors"
    state = load_file(path)
    del state["visual_projection.weight"]
    save_file(state, path, metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match=r"lacks visual_projection\.weight"):
        score(ClipScore(weights=library.path("clip")))


def test_weights_of_another_layout_are_refused(library: Library) -> None:
    write_torch(library.folder / "hps" / "HPS_v2.1_compressed.pt", random_clip().state_dict())
    with pytest.raises(CheckpointError, match="no weights in open_clip's layout"):
        score(HPS(weights=library.path("hps"), tokenizer=library.path("tokenizer")))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"visual.ln_post.bias": None}, r"vision_model\.post_layernorm\.bias has shape none"),
        ({"transformer.resblocks.1.ln_2.weight": torch.ones(9)}, r"layers\.1\.layer_norm2\.weight has shape"),
        ({"visual.attn_pool.query": torch.ones(2)}, r"visual\.attn_pool\.query"),
    ],
)
def test_an_openclip_state_must_hold_all_and_nothing_else(
    change: dict[str, torch.Tensor | None], told: str
) -> None:
    changed = {**reference.random_state(len(CODES)), **change}
    state = {name: value for name, value in changed.items() if value is not None}
    with pytest.raises(CheckpointError, match=told):
        build(state, sizes_of(state, "here"), "here")


def test_a_tower_without_a_whole_number_of_heads_is_refused() -> None:
    state = reference.random_state(len(CODES), vision=100)
    with pytest.raises(CheckpointError, match="no whole number of heads"):
        sizes_of(state, "here")


def test_sizes_are_read_from_the_shapes() -> None:
    sizes = sizes_of(reference.random_state(len(CODES)), "here")
    vision, text = sizes.vision, sizes.text
    assert (vision.width, vision.layers, vision.heads, vision.inner) == (128, 2, 2, 96)
    assert (text.width, text.layers, text.heads, text.inner) == (64, 2, 1, 96)
    assert (sizes.patch, sizes.image, sizes.window, sizes.codes) == (14, 28, 12, len(CODES))
    assert sizes.shared == 32


def test_the_shapes_of_hps_are_those_of_vit_h() -> None:
    """The sizes are open_clip's model_configs/ViT-H-14.json; no memory is taken."""
    shapes = {
        "visual.conv1.weight": (1280, 3, 14, 14),
        "visual.positional_embedding": (257, 1280),
        "positional_embedding": (77, 1024),
        "token_embedding.weight": (49408, 1024),
        "text_projection": (1024, 1024),
        **{f"visual.transformer.resblocks.{n}.mlp.c_fc.weight": (5120, 1280) for n in range(32)},
        **{f"transformer.resblocks.{n}.mlp.c_fc.weight": (4096, 1024) for n in range(24)},
    }
    sizes = sizes_of({name: torch.empty(shape, device="meta") for name, shape in shapes.items()}, "here")
    assert sizes == ClipSizes(
        vision=TowerSizes(width=1280, layers=32, heads=16, inner=5120),
        text=TowerSizes(width=1024, layers=24, heads=16, inner=4096),
        patch=14,
        image=224,
        window=77,
        codes=49408,
        shared=1024,
    )


def test_a_folder_may_hold_torch_weights_and_the_predictor_under_its_other_name(library: Library) -> None:
    before = score(Aesthetic(weights=library.path("head"), backbone=library.path("clip")))
    folder = library.folder / "clip"
    write_torch(folder / "pytorch_model.bin", load_file(folder / "model.safetensors"))
    (folder / "model.safetensors").unlink()
    shutil.move(
        library.folder / "head" / "sac+logos+ava1-l14-linearMSE.pth",
        library.folder / "head" / "aesthetic-model.pth",
    )
    after = score(Aesthetic(weights=library.path("head"), backbone=str(folder)))
    assert after == pytest.approx(before, abs=1e-6)


@pytest.mark.parametrize("shapes", [[(8, 32), (2, 8)], [(8, 32), (1, 9)], []])
def test_what_does_not_lead_to_one_mark_is_no_predictor(shapes: list[tuple[int, int]]) -> None:
    state = {f"layers.{2 * i}.weight": torch.ones(shape) for i, shape in enumerate(shapes)}
    state |= {f"layers.{2 * i}.bias": torch.ones(shape[0]) for i, shape in enumerate(shapes)}
    with pytest.raises(CheckpointError, match="no weights of the aesthetic predictor"):
        head_of(state, "here")


def test_a_predictor_of_another_clip_is_refused(library: Library) -> None:
    state = {"layers.0.weight": torch.ones(1, 768), "layers.0.bias": torch.ones(1)}
    write_torch(library.folder / "head" / "sac+logos+ava1-l14-linearMSE.pth", state)
    with pytest.raises(CheckpointError, match="features of 768 numbers, this CLIP gives 32"):
        score(Aesthetic(weights=library.path("head"), backbone=library.path("clip")))


def test_every_entry_says_who_it_is_and_where_its_proof_stands() -> None:
    assert [entry.name for entry in ENTRIES] == ["hps", "pickscore", "clipscore", "aesthetic"]
    for entry in ENTRIES:
        assert (REPO / entry.proof).is_file()
        assert all(home.licence for home in entry.homes)
