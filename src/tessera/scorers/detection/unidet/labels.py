"""The names of UniDet's 722 classes, as T2I-CompBench compares them with the words of a prompt.

T2I-CompBench reads them from dataset/detection_features.pt, a binary file of NVlabs/prismer that was not
read here. The same list stands in text in NVlabs/prismer:experts/obj_detection/label_map.json (05c3a05), and
follows from UniDet's own list (`labels.json`, from datasets/label_spaces/learned_mAP+M.json) by this rule:

- a class learned from several data sets is called by all of their names, "Box_storage box_": lower case, each
  once, joined by ", ". So "table, desk" is no table, and "cattle, cow" no cow: these names never equal a
  prompt's word, and such prompts score 0;
- one of Mapillary's, "object--junction-box", is called by its last part, "junction box";
- twenty are called otherwise (`OTHERWISE`).

That the binary file holds this list is not proven. For it speaks that of the 300 spatial validation prompts
100 name an object that is no label, by nine words, as a separate count found; and that numeracy_eval.py looks
for "painting" as "picture" in part of a name, which "picture, frame" has.
"""

import json
from functools import cache
from pathlib import Path

OTHERWISE = {
    "_wild bird_bird": "wild bird",
    "Picture frame_picture/frame_": "picture, frame",
    "Street light_street lights_": "street light",
    "Whiteboard_blackboard/whiteboard_": "whiteboard, blackboard",
    "Ball__sports ball": "ball",
    "Bidet__toilet": "bidet",
    "Computer monitor__tv": "computer monitor",
    "Bench2_bench_bench": "bench",
    "Briefcase_luggage_suitcase": "briefcase, luggage",
    "Grapefruit_tangerine_orange": "grapefruit, tangerine",
    "_trash bin/can_": "trash bin, can",
    "_towel/napkin_": "towel, napkin",
    "_barrel/bucket_": "barrel, bucket",
    "_pot/pan_": "pot, pan",
    "_shampoo/shower gel_": "shampoo, shower gel",
    "_tissue _": "tissue ",  # with its space
    "_router/modem_": "router, modem",
    "_tape measure/ruler_": "tape measure, ruler",
    "construction--flat--crosswalk-plain": "crosswalk",
    "object--traffic-sign--back": "traffic sign back",
}


def label(name: str) -> str:
    """Returns what T2I-CompBench calls a class that UniDet's list has under this name."""
    if name in OTHERWISE:
        return OTHERWISE[name]
    if "--" in name:
        return name.rpartition("--")[2].replace("-", " ")
    parts = [part.strip().lower() for part in name.split("_")]
    return ", ".join(dict.fromkeys(part for part in parts if part))


@cache
def labels() -> tuple[str, ...]:
    """Returns the names of the classes, in their order; some stand there twice, for two classes."""
    listed = json.loads(Path(__file__).with_name("labels.json").read_text(encoding="utf-8"))
    return tuple(label(name) for name in listed["names"])
