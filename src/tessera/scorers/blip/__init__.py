"""Scorers built on BLIP (arXiv 2201.12086): ImageReward, and the yes-or-no questions of T2I-CompBench."""
