"""A module imports from lower floors, from its own room, and over the few listed edges on one floor.

The plan is in docs/architecture.md; the tables below are the same plan, in the form that is enforced.
Every import counts: at the head of a file, inside a function, under TYPE_CHECKING, relative, or by
`importlib.import_module("tessera....")`. Each is a piece of knowledge that one room has of another.
"""

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.architecture.source_tree import PACKAGE, REPO, Module, find_modules

# Floor of each room: a folder of the package, or a single module beside them.
FLOORS = {
    # 0 nouns
    "types": 0,
    "protocols": 0,
    "config": 0,
    "errors": 0,
    "plugins": 0,
    "rng": 0,
    "storage": 0,
    "tensors": 0,
    # 1 maths and tools
    "devices": 1,
    "hub": 1,
    "pool": 1,
    "products": 1,
    "objective": 1,
    "statistics": 1,
    # 2 parts
    "policies": 2,
    "sampling": 2,
    "scorers": 2,
    "rewards": 2,
    "data": 2,
    "world": 2,
    # 3 processes
    "algorithms": 3,
    "training": 3,
    "benchmarks": 3,
    "pretraining": 3,
    # 4 experiments
    "recipes": 4,
    "study": 4,
    "report": 4,
    "export": 4,
    "bench": 4,
    "health": 4,
    # 5 edge
    "cli": 5,
    "__main__": 5,
}

# The modules of floor 0 are one room, together with the package's own __init__.
GROUND = "nouns"

# Same-floor edges: (from room, to module or room) with the reason each one is there.
ALLOWED = {
    ("rewards", "scorers"): "a reward is calibrated scorers, combined",
    ("scorers", "world"): "the mosaic scorer asks the world's verifier",
    ("policies", "sampling.cache"): "a policy writes its keys and values into the cache; it never samples",
    ("policies", "world"): "the vocabulary of the mosaic policy is the world's grammar",
    ("data", "world"): "the world makes prompts",
    ("study", "recipes"): "a cell is a recipe with changes",
    ("pretraining", "benchmarks"): "a build ends by measuring what it made",
    ("training", "algorithms"): "the loop runs an algorithm, which does not know the loop",
    ("training", "benchmarks"): "a run is measured on validation prompts as it goes",
    ("__main__", "cli"): "python -m tessera is the command line",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Edge:
    """One import of one module of the package by another."""

    importer: str
    imported: str
    place: str  # file:line


def imports_of(module: Module, known: set[str], root: Path) -> Iterator[Edge]:
    """Yields the edges from `module` into the package, each to the most specific module named."""
    package = module.name if module.is_package else module.name.rpartition(".")[0]
    for node in ast.walk(module.tree()):
        targets: list[str] = []
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level > 0:  # one dot is the package the module is in, each further dot its parent
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, base]) if base else ".".join(above)
            # `from package import name`: the name may be a module, or something defined in the package.
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                targets.append(inner if inner in known else base)
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in ("import_module", "__import__") and isinstance(node.args[0].value, str):
                targets = [node.args[0].value]
        for target in dict.fromkeys(targets):
            if target.split(".")[0] == PACKAGE:
                line = getattr(node, "lineno", 0)
                yield Edge(
                    importer=module.name, imported=target, place=f"{module.path.relative_to(root)}:{line}"
                )


def inside(name: str) -> str:
    """Returns a module's name without the package: "tessera.objective.kl" → "objective.kl"."""
    return name.removeprefix(PACKAGE).removeprefix(".")


def room_of(name: str) -> str:
    """Returns the room of a module, GROUND for floor 0; KeyError if the table has no such room."""
    head = inside(name).partition(".")[0]
    return GROUND if head == "" or FLOORS[head] == 0 else head


def floor_of(room: str) -> int:
    """Returns the floor of a room."""
    return 0 if room == GROUND else FLOORS[room]


def may_cross(room: str, imported: str) -> bool:
    """Returns whether the table lists an edge from `room` to the module, or to something it lies in."""
    target = inside(imported)
    return any(
        source == room and (target == goal or target.startswith(f"{goal}.")) for source, goal in ALLOWED
    )


def judge(edge: Edge) -> str | None:
    """Returns what is wrong with an edge and how to mend it, or None if the plan allows it."""
    for name in (edge.importer, edge.imported):
        head = inside(name).partition(".")[0]
        if head and head not in FLOORS:
            return (
                f"{edge.place}: {name} is in no known room.\n"
                f"  Add {head!r} to FLOORS in {Path(__file__).name} and to docs/architecture.md, on the "
                "lowest floor that has what it imports below it."
            )
    source, target = room_of(edge.importer), room_of(edge.imported)
    if source == target or floor_of(target) < floor_of(source):
        return None
    if floor_of(source) == floor_of(target):
        if may_cross(source, edge.imported):
            return None
        partly = [goal for start, goal in ALLOWED if start == source and goal.partition(".")[0] == target]
        rule = (
            f"of {target!r} it may import only {' and '.join(partly)}"
            if partly
            else f"{source!r} and {target!r} stand on the same floor ({floor_of(source)})"
        )
        remedy = (
            "Move what both need to a lower floor, or take it as an argument and let the floor above hand it "
            "in. If the edge belongs to the plan, add it to ALLOWED with its reason."
        )
    else:
        rule = (
            f"{source!r} is on floor {floor_of(source)} and {target!r} above it, on floor {floor_of(target)}"
        )
        remedy = (
            "Imports go down only. Move what is needed down, or take it as an argument typed by a Protocol "
            "of tessera.protocols."
        )
    return f"{edge.place}: {edge.importer} imports {edge.imported}, but {rule}.\n  {remedy}"


def complaints(modules: Iterable[Module], root: Path) -> list[str]:
    """Returns one complaint per edge that the plan does not allow, and per module in no known room."""
    modules = list(modules)
    # Folders count as modules even without an __init__: `from tessera import training` is an edge too.
    parts = [module.name.split(".") for module in modules]
    known = {".".join(name[:length]) for name in parts for length in range(1, len(name) + 1)}
    edges = [edge for module in modules for edge in imports_of(module, known, root)]
    # A module without any import still needs a room: give it an edge to itself.
    edges += [Edge(importer=m.name, imported=m.name, place=f"{m.path.relative_to(root)}:1") for m in modules]
    return list(dict.fromkeys(filter(None, map(judge, edges))))


def test_every_import_goes_down() -> None:
    found = complaints(find_modules(), REPO)
    assert not found, "\n\n" + "\n".join(found)


def test_the_walk_sees_the_package() -> None:
    """A walk over the wrong folder would find nothing to complain of."""
    assert {"tessera", "tessera.errors"} <= {module.name for module in find_modules()}


def test_the_page_and_the_table_agree() -> None:
    """docs/architecture.md lists each room on its floor, and says "to come" of those that are not there."""
    page = (REPO / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d) \w+ \| `(\w+)` \| (.*) \|$", page, re.MULTILINE)
    assert {room: int(floor) for floor, room, _ in rows} == {
        room: floor for room, floor in FLOORS.items() if room != "__main__"
    }
    built = {inside(module.name).partition(".")[0] for module in find_modules()}
    promised = {room for _, room, text in rows if text.startswith("to come")}
    assert not promised & built, "docs/architecture.md says these are to come, and they are here"


# --- the checker itself, on a small house in a temporary folder ------------------------------------


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A source root in which every edge is allowed."""
    files = {
        "__init__.py": '__version__ = "0"',
        "errors.py": "",
        "types.py": "from tessera.errors import UserError\nfrom tessera import __version__",
        "objective/__init__.py": "",
        "objective/policy.py": "from tessera import types\nimport tessera.errors",
        "objective/kl.py": "from tessera.objective import policy\nfrom .policy import token_logp",
        "sampling/__init__.py": "",
        "sampling/cache.py": "from tessera.types import View",
        "sampling/decode.py": "from tessera.objective import kl",
        "policies/__init__.py": "",
        "policies/janus.py": "from tessera.sampling.cache import Cache\nfrom tessera.sampling import cache",
        "training/loop.py": "from tessera.algorithms import grpo",
        "algorithms/grpo.py": "from tessera.policies import janus",
        "cli/main.py": "def main():\n    from tessera.training import loop",
        "__main__.py": "from tessera.cli.main import main",
    }
    for name, text in files.items():
        path = tmp_path / PACKAGE / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    return tmp_path


def test_a_good_house_has_no_complaints(house: Path) -> None:
    assert complaints(find_modules(house), house) == []


@pytest.mark.parametrize(
    ("file", "text", "place", "words"),
    [
        pytest.param(
            "objective/policy.py",
            "from tessera.cli.main import main",
            "objective/policy.py:1",
            "'objective' is on floor 1 and 'cli' above it, on floor 5",
            id="upwards",
        ),
        pytest.param(
            "objective/kl.py",
            "\n\ndef f():\n    from tessera import training",
            "objective/kl.py:4",
            "'training' above it",
            id="inside-a-function",
        ),
        pytest.param(
            "types.py",
            "import typing\nif typing.TYPE_CHECKING:\n    import tessera.policies.janus",
            "types.py:3",
            "'nouns' is on floor 0",
            id="for-types-only",
        ),
        pytest.param(
            "__init__.py",
            "from tessera.training.loop import train",
            "__init__.py:1",
            "'nouns' is on floor 0 and 'training' above it",
            id="from-the-root",
        ),
        pytest.param(
            "objective/policy.py",
            "from ..cli import main",
            "objective/policy.py:1",
            "imports tessera.cli.main",
            id="relative-to-the-parent",
        ),
        pytest.param(
            "objective/__init__.py",
            "from .. import cli",
            "objective/__init__.py:1",
            "'cli' above it",
            id="relative-from-a-package",
        ),
        pytest.param(
            "sampling/decode.py",
            "from tessera.policies import janus",
            "sampling/decode.py:1",
            "'sampling' and 'policies' stand on the same floor (2)",
            id="same-floor",
        ),
        pytest.param(
            "algorithms/grpo.py",
            "from tessera.training.loop import train",
            "algorithms/grpo.py:1",
            "same floor (3)",
            id="allowed-the-other-way-only",
        ),
        pytest.param(
            "policies/janus.py",
            "from tessera.sampling.decode import sample",
            "policies/janus.py:1",
            "of 'sampling' it may import only sampling.cache",
            id="beside-the-one-allowed-module",
        ),
        pytest.param(
            "policies/janus.py",
            "import importlib\nimportlib.import_module('tessera.training.loop')",
            "policies/janus.py:2",
            "'training' above it",
            id="by-importlib",
        ),
        pytest.param(
            "attic/box.py",
            "",
            "attic/box.py:1",
            "Add 'attic' to FLOORS",
            id="unknown-room",
        ),
        pytest.param(
            "errors.py",
            "from tessera.attic import box",
            "errors.py:1",
            "Add 'attic' to FLOORS",
            id="import-of-an-unknown-room",
        ),
    ],
)
def test_a_bad_edge_is_named(house: Path, file: str, text: str, place: str, words: str) -> None:
    path = house / PACKAGE / file
    path.parent.mkdir(exist_ok=True)
    path.write_text(text + "\n")
    found = complaints(find_modules(house), house)
    assert len(found) == 1, found
    assert found[0].startswith(f"{PACKAGE}/{place}: ")
    assert words in found[0]
