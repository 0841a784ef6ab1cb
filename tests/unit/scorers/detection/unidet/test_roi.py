"""Which map a box is read from, and what is read: by hand, and against loops over samples."""

import numpy as np
import pytest
import torch

from tessera.scorers.detection.unidet.roi import map_of, pooled, roi_align
from tests.unit.scorers.detection.unidet.slow import align


def square(side: float) -> list[float]:
    """Returns a square box."""
    return [10.0, 20.0, 10.0 + side, 20.0 + side]


@pytest.mark.parametrize(
    ("box", "index"),
    [
        (square(0), 0),
        (square(8), 0),
        (square(223.5), 0),
        (square(224), 1),
        (square(447.5), 1),
        (square(448), 2),
        (square(2000), 2),
        ([0.0, 0.0, 448.0, 112.0], 1),  # it is the area that counts: 224 * 224
        ([0.0, 0.0, 448.0, 111.0], 0),
    ],
)
def test_a_box_is_read_from_the_map_of_its_size(box: list[float], index: int) -> None:
    assert map_of(torch.tensor([box])).tolist() == [index]


def test_a_ramp_is_read_at_the_middle_of_each_bin() -> None:
    """A box from 8 to 64 in cells of 8 goes from 0.5 to 7.5 between the cells' middles: bins of one cell."""
    ramp_CHW = torch.arange(12.0).expand(12, 12)[None]
    seen = roi_align(ramp_CHW, torch.tensor([[8.0, 8.0, 64.0, 64.0]]), 8)
    assert seen.shape == (1, 1, 7, 7)
    assert seen[0, 0, 3].tolist() == pytest.approx([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0])
    turned = roi_align(ramp_CHW.transpose(1, 2), torch.tensor([[8.0, 8.0, 64.0, 64.0]]), 8)
    assert turned[0, 0, :, 3].tolist() == pytest.approx([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0])


def test_a_bin_wider_than_a_cell_is_the_mean_of_as_many_samples_as_it_covers_cells() -> None:
    """From 0 to 14 cells, less half a cell: samples at 0, 1, 2, ..., two to a bin."""
    squares_CHW = (torch.arange(16.0) ** 2).expand(16, 16)[None]
    seen = roi_align(squares_CHW, torch.tensor([[0.0, 0.0, 112.0, 8.0]]), 8)[0, 0, 0]
    assert seen.tolist() == pytest.approx([(4 * n * n + (2 * n + 1) ** 2) / 2 for n in range(7)])


BOXES = {
    "inside": [13.0, 7.5, 60.0, 71.0],
    "small": [20.0, 20.0, 21.5, 20.25],
    "wide": [0.0, 30.0, 88.0, 41.0],
    "all": [0.0, 0.0, 88.0, 72.0],
    "beyond the right and the bottom": [70.0, 50.0, 130.0, 110.0],
    "beyond the left and the top": [-40.0, -30.0, 12.0, 9.0],
    "outside": [200.0, 200.0, 240.0, 210.0],
    "no area": [30.0, 30.0, 30.0, 30.0],
    "no height": [30.0, 30.0, 50.0, 30.0],
}


@pytest.mark.parametrize("stride", [8, 16])
@pytest.mark.parametrize("box", BOXES.values(), ids=BOXES)
def test_what_is_read_is_what_loops_over_samples_read(box: list[float], stride: int) -> None:
    map_CHW = torch.randn(3, 9, 11, generator=torch.Generator().manual_seed(0))
    expected = align(map_CHW.double().numpy(), box, stride)
    seen = roi_align(map_CHW, torch.tensor([box]), stride)[0].numpy()
    assert np.abs(seen - expected).max() < 1e-5


def test_a_box_is_read_alike_beside_others() -> None:
    map_CHW = torch.randn(3, 9, 11, generator=torch.Generator().manual_seed(0)).double()
    boxes_N4 = torch.tensor(list(BOXES.values()), dtype=torch.float64)
    together = roi_align(map_CHW, boxes_N4, 8)
    for box_4, seen in zip(boxes_N4, together, strict=True):
        assert torch.allclose(roi_align(map_CHW, box_4[None], 8)[0], seen, rtol=0, atol=1e-12)


def test_boxes_are_read_from_three_maps_and_stay_in_their_order() -> None:
    maps = [torch.full((1, 2, 480 // stride, 480 // stride), float(stride)) for stride in (8, 16, 32)]
    boxes_N4 = torch.tensor([[0.0, 0.0, side, side] for side in (460, 30, 300, 100, 470)])
    boxes_N4 = torch.cat([boxes_N4, torch.tensor([[5.0, 5.0, 30.0, 30.0]] * 200)])  # more than at once
    seen = pooled(maps, boxes_N4)
    assert seen.shape == (205, 2, 7, 7)
    assert seen[:, 0, 3, 3].tolist() == pytest.approx([32.0, 8.0, 16.0, 8.0, 32.0] + [8.0] * 200)


def test_of_no_boxes_nothing_is_read() -> None:
    maps = [torch.zeros(1, 2, 8, 8)] * 3
    assert pooled(maps, torch.zeros(0, 4)).shape == (0, 2, 7, 7)
