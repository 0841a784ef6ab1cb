"""From logits to objects: against a decoding pixel by pixel, and small cases by hand."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from tessera.scorers.detection.mask2former.decode import decode
from tests.unit.scorers.detection.mask2former_by_hand import check, decoded


def logits(queries: int, high: int, across: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Returns the logits of classes and of masks that are smooth and of all sizes."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randn(queries, 1, 3, 3, generator=generator) * 4 + torch.randn(
        queries, 1, 1, 1, generator=generator
    )
    masks = torch.nn.functional.interpolate(coarse, size=(high, across), mode="bicubic")[:, 0]
    return torch.randn(queries, 81, generator=generator) * 2, masks


@pytest.mark.parametrize(
    ("padded", "inner", "given"),
    [
        ((32, 32), (32, 32), (32, 32)),
        ((32, 64), (30, 40), (15, 20)),  # down
        ((64, 32), (50, 21), (77, 33)),  # up
        ((32, 96), (5, 96), (3, 58)),
    ],
)
def test_objects_are_those_worked_out_pixel_by_pixel(
    padded: tuple[int, int], inner: tuple[int, int], given: tuple[int, int]
) -> None:
    classes, masks = logits(6, padded[0] // 4, padded[1] // 4)
    ours = decode(classes, masks, padded, inner, given)
    assert 1 < len({each.mask_HW.tobytes() for each in ours}) <= 6
    assert all(each.mask_HW.shape == given for each in ours)
    check(ours, decoded(classes.numpy(), masks.numpy(), padded, inner, given))


def certain(*pairs: tuple[int, float]) -> Tensor:
    """Returns the logits of a query of these probabilities, the rest evenly on the other classes."""
    probability = torch.full((81,), (1 - sum(each for _, each in pairs)) / (81 - len(pairs)))
    for index, value in pairs:
        probability[index] = value
    return probability.log()


def test_one_query_may_be_two_objects_with_one_mask() -> None:
    masks = torch.full((1, 8, 8), -3.0)
    masks[0, 2:4, 1:7] = 3.0
    first, second, *rest = decode(certain((15, 0.6), (16, 0.3))[None], masks, (8, 8), (8, 8), (8, 8))
    inside = 1 / (1 + math.exp(-3))
    assert (first.index, second.index) == (15, 16)
    assert (first.name, second.name) == ("cat", "dog")
    assert first.score == pytest.approx(0.6 * inside, abs=1e-5)
    assert second.score == pytest.approx(0.3 * inside, abs=1e-5)
    assert first.box == second.box == (1.0, 2.0, 7.0, 4.0)
    assert first.mask_HW.sum() == 12
    assert len(rest) == 78  # the 80 classes of the one query


def test_the_last_class_is_none_and_no_object() -> None:
    ours = decode(certain((80, 0.97))[None], torch.ones(1, 8, 8), (8, 8), (8, 8), (8, 8))
    assert {each.index for each in ours} == set(range(80))
    assert max(each.score for each in ours) < 0.001


def test_an_empty_mask_stays_with_score_0_and_a_box_of_zeros() -> None:
    ours = decode(certain((3, 0.9))[None], torch.full((1, 8, 8), -1.0), (8, 8), (8, 8), (8, 8))
    assert len(ours) == 80
    for each in ours:
        assert each.score == 0
        assert each.box == (0.0, 0.0, 0.0, 0.0)
        assert not each.mask_HW.any()


def test_a_logit_of_0_is_outside() -> None:
    masks = torch.zeros(1, 8, 8)
    masks[0, 0, 0] = 1
    best = decode(certain((0, 0.9))[None], masks, (8, 8), (8, 8), (8, 8))[0]
    assert best.box == (0.0, 0.0, 1.0, 1.0)


def test_the_best_come_first_though_likelier_classes_have_vaguer_masks() -> None:
    masks = torch.stack([torch.full((8, 8), 0.1), torch.full((8, 8), 9.0)])
    classes = torch.stack([certain((1, 0.9)), certain((2, 0.8))])
    ours = decode(classes, masks, (8, 8), (8, 8), (8, 8))
    assert [each.index for each in ours[:2]] == [2, 1]
    scores = [each.score for each in ours]
    assert scores == sorted(scores, reverse=True)


def test_at_most_100_objects_come_out() -> None:
    classes, masks = logits(9, 8, 8)
    ours = decode(classes, masks, (8, 8), (8, 8), (8, 8))
    assert len(ours) == 100
    chances = np.sort(classes.double().softmax(-1)[:, :80].flatten().numpy())[-100:]
    assert max(each.score for each in ours) <= chances.max()


def test_of_equally_likely_ones_the_earlier_queries_are_kept_in_order() -> None:
    masks = torch.full((9, 8, 8), 2.0)
    ours = decode(torch.zeros(9, 81), masks, (8, 8), (8, 8), (8, 8))
    assert [each.index for each in ours] == [*range(80), *range(20)]
