"""The page of one evaluation: how good, how sure, official numbers, which facts fail, and the pictures."""

from tessera.report.evaluation.page import evaluation_page

__all__ = ["evaluation_page"]
