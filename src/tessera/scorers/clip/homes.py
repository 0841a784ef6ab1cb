"""Where the CLIP scorers' weights are published, and on which terms."""

from typing import Literal

from tessera.hub import Home

Version = Literal["2.1", "2.0"]
Backbone = Literal["B/32", "L/14", "H/14"]

MODEL = ("config.json", "model.safetensors|pytorch_model.bin")
# transformers 5 saves a tokenizer as tokenizer.json alone; the published folders hold all three.
VOCABULARY = ("vocab.json|tokenizer.json", "merges.txt|tokenizer.json")

VIT_H = "laion/CLIP-ViT-H-14-laion2B-s32B-b79K"
OPENAI_LICENCE = "not stated (code: MIT)"

# tgxs002/HPSv2:hpsv2/utils.py names the files.
HPS: dict[Version, Home] = {
    "2.1": Home(repo="xswu/HPSv2", files=("HPS_v2.1_compressed.pt",), licence="Apache-2.0"),
    "2.0": Home(repo="xswu/HPSv2", files=("HPS_v2_compressed.pt",), licence="Apache-2.0"),
}
VIT_H_VOCABULARY = Home(repo=VIT_H, files=VOCABULARY, licence="MIT")
PICKSCORE = Home(repo="yuvalkirstain/PickScore_v1", files=MODEL, licence="not confirmed (code: MIT)")
CLIP: dict[Backbone, Home] = {
    "B/32": Home(repo="openai/clip-vit-base-patch32", files=(*MODEL, *VOCABULARY), licence=OPENAI_LICENCE),
    "L/14": Home(repo="openai/clip-vit-large-patch14", files=(*MODEL, *VOCABULARY), licence=OPENAI_LICENCE),
    "H/14": Home(repo=VIT_H, files=(*MODEL, *VOCABULARY), licence="MIT"),
}
# The predictor was published on GitHub (christophschuhmann/improved-aesthetic-predictor) as
# sac+logos+ava1-l14-linearMSE.pth; TRL keeps a copy on the hub. A folder with either is taken.
AESTHETIC_HEAD = Home(
    repo="trl-lib/ddpo-aesthetic-predictor",
    files=("aesthetic-model.pth|sac+logos+ava1-l14-linearMSE.pth",),
    licence="Apache-2.0 (of the original)",
)
AESTHETIC_BACKBONE = Home(repo=CLIP["L/14"].repo, files=MODEL, licence=OPENAI_LICENCE)
