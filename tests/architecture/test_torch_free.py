"""Reading a config, a report or the world's grammar does not wait for torch, and does not need it.

`tessera --help` answers at once, reports are made on a laptop, and a study's driver starts no second copy
of CUDA, only as long as nothing below brings torch in, not even through a third module.
"""

from pathlib import Path

import pytest

from tests.architecture.source_tree import ImportReport, find_modules, import_each

# Whole rooms, or single modules; those that do not exist yet are simply not found.
TORCH_FREE_ROOMS = ("tessera.report", "tessera.statistics", "tessera.world")
TORCH_FREE_MODULES = (
    "tessera",
    "tessera.cli",
    "tessera.cli.main",
    "tessera.config",
    "tessera.errors",
    "tessera.pool",
    "tessera.rng",
    "tessera.storage",
    "tessera.types",
)


def torch_free_modules() -> list[str]:
    """Returns the names of the modules that exist and must not import torch."""
    return [
        module.name
        for module in find_modules()
        if module.name in TORCH_FREE_MODULES
        or any(module.name == room or module.name.startswith(f"{room}.") for room in TORCH_FREE_ROOMS)
    ]


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ImportReport]:
    return import_each(torch_free_modules(), preload=[], cwd=tmp_path_factory.mktemp("cwd"))


@pytest.mark.parametrize("module", torch_free_modules())
def test_importing_it_does_not_import_torch(module: str, reports: dict[str, ImportReport]) -> None:
    report = reports[module]
    assert not report.error, report.error
    assert not report.torch, (
        f"{module} must stay free of torch, and importing it brings torch in:\n  {report.torch}\n"
        "Import torch inside the function that needs it, or move that function to a room of its own."
    )


def test_the_probe_names_the_way_torch_came_in(tmp_path: Path) -> None:
    """A probe that never fires would let everything pass. (An empty torch.py stands in, to save the time.)"""
    (tmp_path / "torch.py").touch()
    (tmp_path / "inner.py").write_text("import math\n\nimport torch\n")
    (tmp_path / "outer.py").write_text("import inner\n")
    reports = import_each(["outer"], preload=[], cwd=tmp_path, src=tmp_path)
    assert reports["outer"].torch == "outer.py:1 -> inner.py:3"
