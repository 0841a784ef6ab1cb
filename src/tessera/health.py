"""What `tessera doctor` looks at: each check says what it found and, if something is missing, the remedy."""

import os
import platform
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from importlib.util import find_spec
from pathlib import Path

import torch
from packaging.requirements import Requirement

from tessera.data.home import DATA_VARIABLE
from tessera.errors import TesseraError
from tessera.policies.load import load_policy
from tessera.policies.settings import SHIPPED
from tessera.pool import cores
from tessera.products import VARIABLE, makers, onednn_pays

DISTRIBUTION = "tessera-rl"


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """One line of the doctor."""

    name: str
    ok: bool
    found: str
    remedy: str = ""
    needed: bool = True  # whether the shipped policy needs it


def inspect() -> list[Check]:
    """Returns all checks, most basic first."""
    return [*_python(), *_packages(), *_devices(), _data(), *_policies()]


def _python() -> Iterator[Check]:
    good = sys.version_info >= (3, 11)
    yield Check(
        name="python",
        ok=good,
        found=f"{platform.python_version()} on {platform.system()} {platform.machine()}",
        remedy="" if good else "tessera needs Python 3.11 or newer",
    )


def _packages() -> Iterator[Check]:
    try:
        lines = requires(DISTRIBUTION) or []
    except PackageNotFoundError:  # run from a source tree that was never installed
        yield Check(
            name=DISTRIBUTION, ok=False, found="not installed", remedy="make setup, or: pip install -e ."
        )
        return
    extras = metadata(DISTRIBUTION).get_all("Provides-Extra") or []
    for line in lines:
        requirement = Requirement(line)
        extra = next((each for each in extras if _only_for(requirement, each)), None)
        if extra == "dev":
            continue
        try:
            found = version(requirement.name)
            good = requirement.specifier.contains(found, prereleases=True)
        except PackageNotFoundError:
            found, good = "missing", False
        wanted = f"{requirement.name}{requirement.specifier}"
        target = f"tessera-rl[{extra}]" if extra else wanted
        yield Check(
            name=requirement.name + (f" ({extra})" if extra else ""),
            ok=good,
            found=found if good or found == "missing" else f"{found}, needs {requirement.specifier}",
            remedy="" if good else f"pip install '{target}'" + ("  (optional)" if extra else ""),
            needed=extra is None,
        )
    if find_spec("torchvision") is not None:
        yield Check(
            name="torchvision",
            ok=False,
            found=f"{version('torchvision')}, which Tessera never needs",
            remedy="beside a CPU build of torch its presence breaks transformers: pip uninstall torchvision",
            needed=False,
        )


def _only_for(requirement: Requirement, extra: str) -> bool:
    marker = requirement.marker
    return marker is not None and not marker.evaluate({"extra": ""}) and marker.evaluate({"extra": extra})


def _devices() -> Iterator[Check]:
    cuda = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    yield Check(
        name="devices",
        ok=True,
        found=", ".join(cuda) or "CPU only: enough for everything on mosaic, too slow for 1B and larger",
    )
    waiting = os.environ.get("OMP_WAIT_POLICY", "unset")
    yield Check(
        name="threads",
        ok=True,
        found=f"{cores()} cores; OMP_NUM_THREADS={os.environ.get('OMP_NUM_THREADS', 'unset')}, "
        f"OMP_WAIT_POLICY={waiting}; commands use --threads 1 unless told",
    )
    leave = f"; {VARIABLE}=torch leaves them to torch" if onednn_pays() else ""
    yield Check(name="products", ok=True, found=f"of float32 on the CPU: {makers()}{leave}")


def _data() -> Check:
    folder = os.environ.get(DATA_VARIABLE)
    if folder is None:
        return Check(
            name="data directory",
            ok=True,
            found=f"{DATA_VARIABLE} is unset; mosaic needs no data",
            needed=False,
        )
    exists = Path(folder).is_dir()
    return Check(
        name="data directory",
        ok=exists,
        found=folder if exists else f"{folder} does not exist",
        remedy=""
        if exists
        else f"create it, or point {DATA_VARIABLE} at the folder that holds the benchmarks",
        needed=False,
    )


def _policies() -> Iterator[Check]:
    for name in SHIPPED:
        try:
            policy = load_policy(name)
            count = sum(parameter.numel() for parameter in policy.parameters())
            found = f"{count / 1e6:.2f} M parameters, digest {policy.digest()[:12]}"
            yield Check(name=f"policy {name}", ok=True, found=found)
        except TesseraError as error:
            remedy = "reinstall tessera-rl, or make the weights again: tessera world build"
            yield Check(name=f"policy {name}", ok=False, found=str(error), remedy=remedy)
