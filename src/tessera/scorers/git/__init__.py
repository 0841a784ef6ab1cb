"""Scorer built on GIT (arXiv 2205.14100): the yes-or-no questions of T2I-R1's attribute reward."""
