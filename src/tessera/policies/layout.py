"""Where policies lie on disk and under which names: a policy folder, a checkpoint, a run of checkpoints."""

import re
from pathlib import Path

SETTINGS = "policy.json"
WEIGHTS = "model.safetensors"

CHECKPOINTS = "checkpoints"
COMPLETE = "COMPLETE"  # written last: a checkpoint without it is none
_STEP = re.compile(r"step_(\d{6,})")


def checkpoint_path(run: Path, step: int) -> Path:
    """Returns where the checkpoint of a step lies in a run folder."""
    return run / CHECKPOINTS / f"step_{step:06d}"


def last_checkpoint(run: Path) -> Path | None:
    """Returns the complete checkpoint of the most steps in a run folder, or None."""
    found = {
        int(match[1]): path
        for path in (run / CHECKPOINTS).glob("step_*")
        if (match := _STEP.fullmatch(path.name)) and (path / COMPLETE).is_file()
    }
    return found[max(found)] if found else None
