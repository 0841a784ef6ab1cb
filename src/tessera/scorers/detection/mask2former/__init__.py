"""Mask2Former, the detector of GenEval: pictures in, objects with their masks out."""
