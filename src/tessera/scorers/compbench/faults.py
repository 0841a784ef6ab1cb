"""Faults of T2I-CompBench's published evaluators, each by name: mended here, or reproduced for its numbers.

Read at Karine-Huang/T2I-CompBench. Without `official_bugs` each fault of the table is mended as it says; with
it, what can be reproduced is. Where a published script stops with an error, the verdict is then NaN and says
so. `KEPT` are oddities that are the published rule: they hold in either case.
"""

from dataclasses import dataclass

SPATIAL_2D = "UniDet_eval/2D_spatial_eval.py"
SPATIAL_3D = "UniDet_eval/3D_spatial_eval.py"
NUMERACY = "UniDet_eval/numeracy_eval.py"
BLIP = "BLIPvqa_eval/BLIP_vqa.py"
CLIP = "CLIPScore_eval/CLIP_similarity.py"
THREE = "3_in_1_eval/3_in_1.py"
DATASET = "UniDet_eval/experts/obj_detection/generate_dataset.py"


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """One fault of the published evaluators."""

    name: str
    where: str  # path in Karine-Huang/T2I-CompBench
    does: str
    mended: str
    reproduced: str = "yes"  # or why not


FAULTS: tuple[Fault, ...] = (
    Fault(
        name="depth-transposed",
        where=SPATIAL_3D,
        does="cuts boxes from the depth map as [x, y], so it compares the depth of two other places",
        mended="cut as [y, x]",
    ),
    Fault(
        name="depth-last-box",
        where=SPATIAL_3D,
        does="until both objects are found, each later box of the first one replaces its surest box",
        mended="the surest box of each object",
    ),
    Fault(
        name="label-substring",
        where=f"{SPATIAL_3D}, {NUMERACY}",
        does='takes a label for an object whose letters it contains: "monkey" for key, "carpet" for car; and '
        "stops with an error where the letters stand across two labels",
        mended="an object is one of a label's names, or the last word of one",
    ),
    Fault(
        name="label-joined",
        where=SPATIAL_2D,
        does='compares with the whole label, and UniDet\'s are joined names: "cow" is never "cattle, cow". '
        "100 of the 300 spatial val prompts name an object that no label equals and can only score 0",
        mended="an object is one of a label's names, or its last word; 28 prompts remain: sofa, wallet",
    ),
    Fault(
        name="label-alias",
        where=f"{SPATIAL_2D}, {SPATIAL_3D}, {NUMERACY}",
        does='a girl, boy, man or woman is only looked for as "person", a goldfish only as "fish" and so on, '
        'although UniDet has labels of those names; and "telivision" (so written) never becomes "tv"',
        mended="either name counts, in all three scripts",
    ),
    Fault(
        name="label-plural",
        where=f"{SPATIAL_2D} --complex",
        does='looks for "balloons", and UniDet\'s labels are in the singular',
        mended="either number counts",
    ),
    Fault(
        name="one-box-twice",
        where=f"{SPATIAL_2D}, {SPATIAL_3D}",
        does='takes one box for two nouns of one label ("a girl next to a boy"), and it is near itself',
        mended="two boxes; which is which is decided in the picture's favour, as labels do not tell",
    ),
    Fault(
        name="relabelled",
        where=NUMERACY,
        does="where an object is not among the labels, renames every label that contains its letters, for "
        "the objects after it too",
        mended="each object counts its own boxes, and no label changes",
    ),
    Fault(
        name="two-nouns-one-label",
        where=NUMERACY,
        does='counts all persons for each of "two men and one woman", so that neither count can be right',
        mended="nouns of one label are counted together: three persons, at the weight of both",
    ),
    Fault(
        name="duplicates-by-label",
        where=NUMERACY,
        does="a thing that was detected under two labels counts as two",
        mended="duplicates are dropped among all boxes that count for the object",
    ),
    Fault(
        name="number-words",
        where=NUMERACY,
        does="reads lower-case number words to eight; stops with an error at a number before a singular that "
        "is no plural, at a number that ends the prompt, and where it reads no object",
        mended="to ten, in any case; NaN with a reason where there is no object to count",
    ),
    Fault(
        name="on-top-of",
        where=SPATIAL_2D,
        does='finds "on top of" in a prompt and has no rule for it: the position is worth 0',
        mended='the rule of "on the top of"',
    ),
    Fault(
        name="relation-missing",
        where=f"{SPATIAL_2D}, {SPATIAL_3D}",
        does="a prompt without a relation that it knows gets 0 for it, whatever is seen",
        mended='"above", "below" and "on the side of" are known too; else NaN with a reason',
    ),
    Fault(
        name="complex-objects",
        where=f"{SPATIAL_2D} --complex",
        does='knows "on bottom of" where prompts say "on the bottom of" (likewise top), gives up where two '
        'relations are named, and takes the first noun of a compound: "coat" of "the brown coat rack"',
        mended="the nouns around the first relation, of a compound the last",
    ),
    Fault(
        name="iou-half",
        where=SPATIAL_3D,
        does="boxes whose overlap is 0.5 exactly get 0: it is neither above nor below",
        mended="they get 1",
    ),
    Fault(
        name="phrases-of-place",
        where=BLIP,
        does='leaves out "top", "the side", "the left" and "the right", and asks BLIP whether it sees '
        '"the bottom?", "the top?" or "front?"',
        mended="all of top, bottom, side, left, right, front and back are left out, with and without the",
    ),
    Fault(
        name="no-phrase",
        where=BLIP,
        does="a prompt without a noun phrase scores 1",
        mended="NaN with a reason",
    ),
    Fault(
        name="file-names",
        where=f"{BLIP}, {CLIP}, {SPATIAL_2D}, {SPATIAL_3D}, {NUMERACY}",
        does='reads prompts back from file names up to the first "_", and keeps a full stop only where the '
        'prompt file has one; a "/" or more than 255 bytes cannot be saved',
        mended="prompts come from the prompts",
        reproduced='a prompt with "_" is NaN; no prompt of the benchmark has one',
    ),
    Fault(
        name="complex-flag",
        where=f"{SPATIAL_2D}, {CLIP}",
        does="--complex is type=bool, so that any word switches it on, False too",
        mended="the category decides",
        reproduced="no: as its README calls it, the right switch is on",
    ),
    Fault(
        name="by-position",
        where=THREE,
        does="joins the three scores of a picture by their place in three lists, ten pictures to a prompt, "
        "and takes whatever is in neither of two files for the third kind",
        mended="joined by picture; the kind is looked up in all three files",
        reproduced="no: with ten pictures of each prompt the numbers are the same",
    ),
    Fault(
        name="sorted-names",
        where=DATASET,
        does='sorts pictures by what follows the first "_" of a name, and stops at another "_"',
        mended="nothing is sorted by names",
        reproduced="as file-names",
    ),
)

KEPT: tuple[str, ...] = (
    "2D: near holds where the centres lie within 150 pixels along either axis, however far along the other",
    "2D: a score below 0.5 is 0, so that one object, or two in the wrong place, get nothing; not in 3D",
    "3D: boxes that do not overlap get 0 for their depth, whatever it is",
    "numeracy: half for an object that is there, half for its exact number; more is as wrong as fewer",
    "BLIP: the product over at most eight phrases, so that longer prompts score lower; every factor rounded",
    "complex: CLIP reads the prompt without adjectives; the mean mixes its cosine with probabilities",
)


def table() -> str:
    """Returns the faults as lines for a terminal: name, where, what it does, what is done here."""
    rows = []
    for each in FAULTS:
        rows.append(f"{each.name}  ({each.where})\n    published: {each.does}\n    mended: {each.mended}")
        if each.reproduced != "yes":
            rows[-1] += f"\n    with --official-bugs: {each.reproduced}"
    return "\n\n".join(rows)
