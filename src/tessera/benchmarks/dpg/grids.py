"""`python -m tessera.benchmarks.dpg.grids FOLDER/dpg`: pictures as the published script wants them.

It looks at one file per prompt, {item_id}.png, with four pictures in two rows, and is told how wide one of
them is. Our folder has single pictures; this lays them out under grids/, losslessly, and says the command.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from tessera.benchmarks.dpg.benchmark import PICTURES
from tessera.benchmarks.dpg.official import GRIDS
from tessera.errors import UserError
from tessera.storage import write_png

MOST = 4  # pictures of a prompt that the script looks at


def write_grids(folder: Path) -> tuple[int, int]:
    """Writes a grid for each prompt; returns the script's `resolution` and `pic-num`.

    Of fewer than four pictures the rest of the grid is black, and is not looked at.
    """
    prompts = {
        path.name: [path / f"{sample}.png" for sample in range(MOST) if (path / f"{sample}.png").is_file()]
        for path in sorted((folder / PICTURES).glob("*"))
        if path.is_dir()
    }
    if not prompts:
        raise UserError(f"{folder} has no {PICTURES}/; name the folder dpg/ of an evaluation")
    counts = {len(pictures) for pictures in prompts.values()}
    if len(counts) > 1 or 0 in counts:
        raise UserError(
            f"prompts in {folder / PICTURES} have {sorted(counts)} pictures; the script takes as many of "
            "each: finish the evaluation first (--resume)"
        )
    side = 0
    for name, pictures in prompts.items():
        tiles = [_read(path) for path in pictures]
        side = side or tiles[0].shape[0]
        if any(tile.shape != (side, side, 3) for tile in tiles):
            raise UserError(
                f"pictures of {name} are not all {side} x {side}, which the script's grid must be"
            )
        grid_HWC = np.zeros((2 * side, 2 * side, 3), dtype=np.uint8)
        for place, tile in enumerate(tiles):
            top, left = side * (place // 2), side * (place % 2)
            grid_HWC[top : top + side, left : left + side] = tile
        write_png(folder / GRIDS / f"{name}.png", grid_HWC)
    return side, counts.pop()


def main(arguments: Sequence[str]) -> int:
    """Runs the command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tessera.benchmarks.dpg.grids")
    parser.add_argument("folder", type=Path, help="the folder dpg/ of an evaluation")
    flags = parser.parse_args(list(arguments))
    side, count = write_grids(flags.folder)
    grids = (flags.folder / GRIDS).absolute()
    sys.stdout.write(
        f"{grids}\nIn a checkout of TencentQQGYLab/ELLA: "
        f"PIC_NUM={count} bash dpg_bench/dist_eval.sh {grids} {side}\n"
    )
    return 0


def _read(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except UserError as error:
        sys.exit(f"error: {error}")
