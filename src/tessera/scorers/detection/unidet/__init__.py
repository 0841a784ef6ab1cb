"""UniDet, T2I-CompBench's detector of 722 classes, in plain torch and with the names of its own checkpoints.

Xingyi Zhou et al., arXiv 2102.13086; a Cascade R-CNN. Read for behaviour, names and numbers, nothing copied:
Karine-Huang/T2I-CompBench:UniDet_eval/experts/obj_detection (7710d05), xingyizhou/UniDet (5a4d9b3), and
facebookresearch/detectron2 at the commits of the files named in each module.

Proven (tests/parity/test_unidet.py): on tiny random weights, boxes and scores are those of a second,
slow implementation that reads the weights by detectron2's names; names and shapes at full size are those
that these sources give; the ResNet is that of transformers.

Not proven: no published checkpoint was ever loaded here, and no published number was reproduced. That the
published files have these names and no others is read from the code that wrote them; a file that differs is
refused with the first name that does. Of the labels, `labels` says what is known.
"""
