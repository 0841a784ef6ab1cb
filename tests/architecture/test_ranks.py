"""Ranks and process groups are known in one corner: `training/distributed*.py`. All else asks a `Team`."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.source_tree import REPO, Module, find_modules

CORNER = "tessera.training.distributed"
PROCESSES = ("torch.distributed", "torch.multiprocessing")
WORDS = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE")


def mentions(module: Module, root: Path) -> Iterator[str]:
    """Yields one sentence for each use of process groups or ranks."""
    for node in ast.walk(module.tree()):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Attribute):
            names = [ast.unparse(node)]
        elif isinstance(node, ast.Constant) and node.value in WORDS:
            names = [f"torch.distributed's {node.value}"]
        place = f"{module.path.relative_to(root)}:{getattr(node, 'lineno', 0)}"
        if name := next((name for name in names if name.startswith(PROCESSES)), None):
            yield f"{place} uses {name}: ask a Team (training/distributed.py) instead"


def test_only_one_corner_knows_of_ranks() -> None:
    modules = find_modules()
    inside = [module for module in modules if module.name.startswith(CORNER)]
    assert any(list(mentions(module, REPO)) for module in inside)
    found = [each for module in modules if module not in inside for each in mentions(module, REPO)]
    assert not found, "\n" + "\n".join(found)


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("import torch.distributed as dist", False),
        ("from torch import distributed", False),
        ("from torch.distributed.tensor import DTensor", False),
        ("import torch\ntorch.distributed.barrier()", False),
        ("import os\nos.environ['RANK']", False),
        ("from tessera.training.distributed import Team", True),
        ("from torch.nn import Module", True),
    ],
)
def test_the_walk_catches_it(tmp_path: Path, text: str, allowed: bool) -> None:
    path = tmp_path / "module.py"
    path.write_text(text + "\n")
    assert (list(mentions(Module(name="module", path=path), tmp_path)) == []) is allowed
