"""Where tensors live: a device by its name, or the best that is here; of several GPUs, one a process."""

import torch

from tessera.errors import UserError


def device_of(name: str | None) -> torch.device:
    """Returns the device of that name; unset: this process's GPU, or the CPU where there is none.

    Raises a `UserError` if this machine has no such device.
    """
    if name is None:
        here = torch.cuda.is_available()
        return torch.device("cuda", torch.cuda.current_device()) if here else torch.device("cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UserError(f"device {name!r} is unknown; use cpu, cuda or cuda:1") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise UserError(f"device {name!r} needs a GPU that this torch can use; there is none")
    return device


def share_gpus(process: int) -> None:
    """Gives this process, by its number, one of the machine's GPUs in turn."""
    if count := torch.cuda.device_count():
        torch.cuda.set_device(process % count)
