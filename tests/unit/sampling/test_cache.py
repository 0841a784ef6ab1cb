"""Both forms of the static cache, by hand: what is written is read, rounded ones to half of a scale."""

import pytest
import torch
from torch import Tensor

from tessera.sampling.cache import CACHES, Int8Cache, KeyValues, StaticCache, quantised
from tessera.types import CacheForm

FORMS: tuple[CacheForm, ...] = ("full", "int8")
LAYERS, ROWS, HEADS, SLOTS, FEATURES = 2, 3, 2, 5, 8


def _empty(form: CacheForm, rows: int = ROWS, dtype: torch.dtype = torch.float32) -> KeyValues:
    return CACHES[form].empty(
        layers=LAYERS, rows=rows, heads=HEADS, length=SLOTS, features=FEATURES, dtype=dtype
    )


def _tokens(count: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(2, ROWS, HEADS, count, FEATURES, generator=generator)


# --- rounding -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("size", [1e-3, 1.0, 1e3])
def test_an_error_is_half_of_a_scale_at_most(dtype: torch.dtype, size: float) -> None:
    """Also of a scale in half precision, whose own rounding is made up for; beyond it is float32's own."""
    x = (torch.randn(4096, 64, generator=torch.Generator().manual_seed(1)) * size).to(dtype)
    whole, scale = quantised(x, dtype)
    assert whole.dtype == torch.int8
    assert scale.dtype == dtype
    assert int(whole.abs().max()) == 127
    error = (whole.double() * scale.double() - x.double()).abs()
    assert (error <= scale.double() * (0.5 + 1e-4)).all()
    assert error.max() > 0.49 * scale.min()  # and no finer one was taken


def test_numbers_by_hand() -> None:
    """The largest is 127 steps of 0.01: so 0.5 is 50, -1 is -100, and 0 is 0."""
    whole, scale = quantised(torch.tensor([[1.27, 0.5, -1.0, 0.0], [0.0, 0.0, 0.0, 0.0]]), torch.float32)
    assert whole.tolist() == [[127, 50, -100, 0], [0, 0, 0, 0]]
    assert scale[0].item() == pytest.approx(0.01)
    assert scale[1].item() > 0  # so that nothing is divided by 0


@pytest.mark.parametrize("broken", [torch.nan, torch.inf])
def test_what_is_no_number_is_none_when_it_is_read(broken: float) -> None:
    """Else weights that overflow would draw pictures, and nobody would know."""
    x = torch.ones(2, 4)
    x[0, 1] = broken
    whole, scale = quantised(x, torch.float32)
    assert not (whole * scale)[0].isfinite().any()
    assert (whole * scale)[1].equal(x[1])


# --- slots --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_what_is_written_is_read_and_nothing_else(form: CacheForm, dtype: torch.dtype) -> None:
    cache = _empty(form, dtype=dtype)
    keys, values = _tokens(2).to(dtype)
    cache.write(1, 2, keys, values)
    for written, read in zip((keys, values), cache.read(1, 1, 5), strict=True):
        assert read.dtype == dtype
        bound = 0.0 if form == "full" else float(written.abs().max()) / 127
        assert (read[:, :, 1:3] - written).abs().max() <= bound
        assert (read[:, :, [0, 3]] == 0).all()
    assert all((half == 0).all() for half in cache.read(0, 0, SLOTS))


@pytest.mark.parametrize("form", FORMS)
def test_slots_that_a_tensor_names_are_those_of_a_number(form: CacheForm) -> None:
    by_number, by_tensor = _empty(form), _empty(form)
    keys, values = _tokens(2)
    by_number.write(0, 3, keys, values)
    by_tensor.write(0, torch.tensor([3, 4]), keys, values)
    for one, other in zip(by_number.tensors, by_tensor.tensors, strict=True):
        assert one.equal(other)


def test_a_slot_is_rounded_by_itself() -> None:
    """A row beside it, another head or a slot that is a thousand times as large changes nothing."""
    keys, values = _tokens(3)
    alone, together = _empty("int8"), _empty("int8")
    alone.write(0, 0, keys, values)
    keys, values = keys.clone(), values.clone()
    for half in (keys, values):
        half[1] *= 1000
        half[:, 1] *= 1000
        half[:, :, 2] *= 1000
    together.write(0, 0, keys, values)
    for one, other in zip(alone.read(0, 0, 2), together.read(0, 0, 2), strict=True):
        assert one[[0, 2], 0].equal(other[[0, 2], 0])


@pytest.mark.parametrize("form", FORMS)
def test_rows_are_fanned_out_with_all_that_belongs_to_them(form: CacheForm) -> None:
    prefix, cache = _empty(form), _empty(form, rows=4)
    for layer in range(LAYERS):
        prefix.write(layer, 0, *_tokens(SLOTS, seed=layer))
    cache.fan_out(prefix, torch.tensor([2, 0, 0, 1]), 3)
    for layer in range(LAYERS):
        for ours, theirs in zip(cache.read(layer, 0, SLOTS), prefix.read(layer, 0, SLOTS), strict=True):
            assert ours[:, :, :3].equal(theirs[[2, 0, 0, 1], :, :3])
            assert (ours[:, :, 3:] == 0).all()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_a_mark_is_read_as_it_is(form: CacheForm, dtype: torch.dtype) -> None:
    """LlamaGen knows padding by it."""
    cache = _empty(form, dtype=dtype)
    keys, values = _tokens(4).to(dtype)
    for layer in range(LAYERS):
        cache.write(layer, 0, keys, values)
    before = cache.read(0, 0, SLOTS)[0].clone()
    chosen = torch.tensor([[True, False, False], [True, True, False], [False, False, False]])
    cache.fill_keys(chosen, 0.7)
    for layer in range(LAYERS):
        found, _ = cache.read(layer, 0, SLOTS)
        marked = torch.zeros(ROWS, SLOTS, dtype=torch.bool)
        marked[:, :3] = chosen
        assert (found.transpose(1, 2)[marked] == torch.tensor(0.7, dtype=dtype)).all()
        assert found.transpose(1, 2)[~marked].equal(before.transpose(1, 2)[~marked])


def test_other_tensors_in_the_same_order_make_the_same_cache() -> None:
    for form in FORMS:
        cache = _empty(form)
        cache.write(0, 0, *_tokens(SLOTS))
        again = cache.of([each.clone() for each in cache.tensors])
        assert isinstance(again, StaticCache if form == "full" else Int8Cache)
        assert again.length == cache.length == SLOTS
        assert all(a.equal(b) for a, b in zip(again.read(0, 0, 5), cache.read(0, 0, 5), strict=True))
