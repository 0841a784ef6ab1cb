"""Every module imports on its own, does no work while imported, and uses nothing that runs foreign code."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.source_tree import (
    REPO,
    SRC,
    ImportReport,
    Module,
    find_modules,
    import_each,
    third_party_imports,
)

MODULES = find_modules()


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ImportReport]:
    # `python -m tessera` runs when imported; that is what it is for.
    names = [module.name for module in MODULES if not module.name.endswith(".__main__")]
    return import_each(names, preload=third_party_imports(MODULES), cwd=tmp_path_factory.mktemp("cwd"))


def test_every_module_imports_as_the_first_one(reports: dict[str, ImportReport]) -> None:
    """An import cycle shows only from one of its ends, so each module is tried as the entrance."""
    failed = [f"{name}\n{report.error}" for name, report in reports.items() if report.error]
    assert not failed, "\n\n".join(failed)


def test_importing_does_no_work(reports: dict[str, ImportReport]) -> None:
    acts = [f"{name}: {act}" for name, report in reports.items() for act in report.acts]
    assert not acts, (
        "importing must not write, connect or start a process; do it in a function:\n" + "\n".join(acts)
    )


# What may not be used at all, and what to use instead.
BANNED_IMPORTS = {
    "pickle": "weights are safetensors, records are JSON",
    "cloudpickle": "weights are safetensors, records are JSON",
    "dill": "weights are safetensors, records are JSON",
    "joblib": "weights are safetensors, records are JSON",
    "marshal": "weights are safetensors, records are JSON",
    "shelve": "weights are safetensors, records are JSON",
    "torchvision": "use PIL, or torch.nn.functional",
}
BANNED_CALLS = {
    "torch.load": "it unpickles; read safetensors, or torch's own weights with tessera.hub.read_state",
    "torch.save": "it pickles; write weights with safetensors.torch.save_file",
    "torch.hub.load": "it runs code from the network",
    "eval": "parse the value",
    "exec": "call a function",
    "__import__": "use importlib.import_module",
}
BANNED_FLAGS = {
    "trust_remote_code": "implement the model here, or load a class that transformers has",
    "allow_pickle": "store plain arrays, one per name",
}


# The one place that reads torch files, with weights_only, and catches what torch raises then.
READS_TORCH_FILES = "src/tessera/hub.py"


def offences(module: Module, root: Path) -> Iterator[str]:
    """Yields one sentence for each use of something that is banned."""
    reader = module.path.relative_to(root).as_posix() == READS_TORCH_FILES
    for node in ast.walk(module.tree()):
        place = f"{module.path.relative_to(root)}:{getattr(node, 'lineno', 0)}"
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            if reader and names == ["pickle", "pickle.UnpicklingError"]:
                break
            if (top := name.partition(".")[0]) in BANNED_IMPORTS:
                yield f"{place}: imports {name}: {BANNED_IMPORTS[top]}"
                break
            if name in BANNED_CALLS:
                yield f"{place}: imports {name}: {BANNED_CALLS[name]}"
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called in BANNED_CALLS and not (reader and called == "torch.load" and weights_only(node)):
                yield f"{place}: calls {called}: {BANNED_CALLS[called]}"
            for keyword in node.keywords:
                off = isinstance(keyword.value, ast.Constant) and keyword.value.value is False
                if keyword.arg in BANNED_FLAGS and not off:
                    yield f"{place}: passes {keyword.arg}: {BANNED_FLAGS[keyword.arg]}"


def weights_only(call: ast.Call) -> bool:
    """Returns whether the call says weights_only=True, in so many words."""
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    value = given.get("weights_only")
    return isinstance(value, ast.Constant) and value.value is True


def test_nothing_runs_foreign_code() -> None:
    found = [offence for module in MODULES for offence in offences(module, REPO)]
    assert not found, "\n" + "\n".join(found)


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("import pickle", False),
        ("from torchvision.transforms import Resize", False),
        ("import torch\ntorch.load('weights.pt', weights_only=True)", False),
        ("from torch import load", False),
        ("eval('1 + 1')", False),
        ("AutoModel.from_pretrained('m', trust_remote_code=True)", False),
        ("AutoModel.from_pretrained('m', trust_remote_code=trust)", False),
        ("AutoModel.from_pretrained('m', trust_remote_code=False)", True),
        ("model.eval()", True),
        ("import re\nre.compile('a')", True),
    ],
)
def test_the_walk_catches_it(tmp_path: Path, text: str, allowed: bool) -> None:
    path = tmp_path / "module.py"
    path.write_text(text + "\n")
    assert (list(offences(Module(name="module", path=path), tmp_path)) == []) is allowed


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("import torch\ntorch.load('weights.pt', weights_only=True)", True),
        ("import torch\ntorch.load('weights.pt')", False),
        ("import torch\ntorch.load('weights.pt', weights_only=False)", False),
        ("from pickle import UnpicklingError", True),
        ("from pickle import loads", False),
    ],
)
def test_the_reader_of_torch_files_reads_weights_alone(tmp_path: Path, text: str, allowed: bool) -> None:
    path = tmp_path / READS_TORCH_FILES
    path.parent.mkdir(parents=True)
    path.write_text(text + "\n")
    assert (list(offences(Module(name="tessera.hub", path=path), tmp_path)) == []) is allowed


def test_an_import_that_does_work_is_noticed(tmp_path: Path) -> None:
    """The audit hook does fire: a module that makes a file and a folder when imported is caught at both."""
    (tmp_path / "busy.py").write_text(
        "from pathlib import Path\nPath('left_behind').write_text('')\nPath('folder').mkdir()\n"
    )
    (tmp_path / "broken.py").write_text("1 / 0\n")
    reports = import_each(["busy", "broken"], preload=[], cwd=tmp_path, src=tmp_path)
    assert [act.partition(" ")[0] for act in reports["busy"].acts] == ["busy.py:2", "busy.py:3"]
    assert "ZeroDivisionError" in reports["broken"].error


def test_the_package_says_it_is_typed() -> None:
    assert (SRC / "tessera" / "py.typed").is_file(), (
        "without src/tessera/py.typed no user's type checker reads our annotations"
    )
