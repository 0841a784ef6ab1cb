"""What the architecture tests know of the source: which modules there are, and what importing them does."""

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

REPO = Path(__file__).parents[2]
SRC = REPO / "src"
PACKAGE = "tessera"


@dataclass(frozen=True, kw_only=True, slots=True)
class Module:
    """One Python file under the source root, not imported."""

    name: str
    path: Path

    @property
    def is_package(self) -> bool:
        return self.path.name == "__init__.py"

    def tree(self) -> ast.Module:
        """Returns the syntax tree of the file."""
        return ast.parse(self.path.read_text(encoding="utf-8"), filename=str(self.path))


def find_modules(src: Path = SRC) -> list[Module]:
    """Returns every module of the package under `src`, sorted by name."""
    modules = []
    for path in sorted((src / PACKAGE).rglob("*.py")):
        parts = path.relative_to(src).with_suffix("").parts
        modules.append(Module(name=".".join(parts[:-1] if parts[-1] == "__init__" else parts), path=path))
    return sorted(modules, key=lambda module: module.name)


def third_party_imports(modules: Iterable[Module]) -> list[str]:
    """Returns the foreign modules that the given ones import at their head, e.g. ["numpy", "torch.nn"]."""
    names = set()
    for module in modules:
        for node in module.tree().body:
            if isinstance(node, ast.Import):
                names.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module is not None:
                names.add(node.module)
    return sorted(name for name in names if name.partition(".")[0] != PACKAGE)


# Runs in a process of its own. It imports `preload` once, then forks for each module: the child imports
# that module as if it were the first, without paying for torch again, and reports what it saw. Forking is
# safe because no thread is running yet. An audit hook sees what Python itself does on behalf of the import.
_IMPORT_EACH = """
import contextlib, importlib, json, os, sys, traceback

preload, modules, src = json.loads(sys.argv[1])
sys.path.insert(0, src)
for name in preload:
    with contextlib.suppress(ImportError):  # an extra that is not installed
        importlib.import_module(name)

ACTS = ("os.mkdir", "os.rename", "os.remove", "socket.connect", "subprocess.Popen", "os.system")

def chain():
    ours = [f for f in traceback.extract_stack() if f.filename.startswith(src)]
    return " -> ".join(f"{f.filename[len(src) + 1:]}:{f.lineno}" for f in ours)

def watch(report):
    def hook(event, args):
        if event == "open" and isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR):
            report["acts"].append(f"{chain()} opens {args[0]} for writing")
        elif event in ACTS:
            report["acts"].append(f"{chain()} does {event}{args}")
        elif event == "import" and args[0] == "torch" and not report["torch"]:
            report["torch"] = chain()
    sys.addaudithook(hook)

reports = {}
for name in modules:
    read, write = os.pipe()
    if (pid := os.fork()) == 0:
        report = {"error": "", "torch": "", "acts": []}
        answer = os.fdopen(write, "w")
        watch(report)
        try:
            importlib.import_module(name)
        except BaseException:
            report["error"] = traceback.format_exc()
        if "torch" in sys.modules and not report["torch"]:
            report["torch"] = "(a preloaded module)"
        json.dump(report, answer)
        answer.flush()
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        text = pipe.read()
    os.waitpid(pid, 0)
    reports[name] = json.loads(text) if text else {"error": "the process died", "torch": "", "acts": []}
print(json.dumps(reports))
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class ImportReport:
    """What happened when one module was the first of the package to be imported in a process."""

    error: str  # the traceback, or empty
    torch: str  # the chain of file:line that brought torch in, or empty
    acts: tuple[str, ...]  # files written, folders made, processes and connections started


def import_each(
    modules: Sequence[str], *, preload: Sequence[str], cwd: Path, src: Path = SRC
) -> dict[str, ImportReport]:
    """Returns a report per module, each imported on its own; `preload` is imported before, and shared."""
    done = subprocess.run(
        [sys.executable, "-c", _IMPORT_EACH, json.dumps([preload, modules, str(src)])],
        cwd=cwd,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"the importing process failed:\n{done.stderr}"
    rows = json.loads(done.stdout.splitlines()[-1])
    return {
        name: ImportReport(error=row["error"], torch=row["torch"], acts=tuple(row["acts"]))
        for name, row in rows.items()
    }
