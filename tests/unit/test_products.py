"""Linear maps: the same values and gradients whoever makes them, and by the faster only where that pays."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from tessera import products
from tessera.errors import UserError
from tessera.products import FEWEST, ONE_CHAIN, VARIABLE, Linear, linear, makers, onednn_pays, torchs_own

AMD = "vendor_id\t: AuthenticAMD\nmodel name\t: AMD EPYC\n"
INTEL = "vendor_id\t: GenuineIntel\nmodel name\t: Intel Xeon\n"
HAS_ONEDNN = hasattr(torch.ops.mkldnn, "_linear_pointwise")


@pytest.fixture(autouse=True)
def _asked_anew() -> Iterator[None]:
    onednn_pays.cache_clear()
    yield
    onednn_pays.cache_clear()


@pytest.fixture
def amd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine whose processor MKL holds back; returns what describes it."""
    monkeypatch.setattr(products, "CPUS", tmp_path / "cpuinfo")
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    monkeypatch.delenv(VARIABLE, raising=False)
    (tmp_path / "cpuinfo").write_text(AMD, encoding="utf-8")
    return tmp_path / "cpuinfo"


@pytest.fixture
def made(amd: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """The shapes of the rows of every product that oneDNN made."""
    if not HAS_ONEDNN:
        pytest.skip("this torch has no oneDNN")
    shapes: list[tuple[int, ...]] = []
    product = products._product

    def noted(x: Tensor, weight: Tensor) -> Tensor:
        shapes.append(tuple(x.shape))
        return product(x, weight)

    monkeypatch.setattr(products, "_product", noted)
    return shapes


# --- who makes them -----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("amd")
@pytest.mark.skipif(not HAS_ONEDNN, reason="this torch has no oneDNN")
def test_a_processor_that_mkl_holds_back_has_them_from_onednn() -> None:
    assert onednn_pays()
    assert makers() == "oneDNN for linear layers"
    with torchs_own():
        assert makers() == "torch’s choice"


def test_other_processors_keep_what_torch_chose_for_them(amd: Path) -> None:
    amd.write_text(INTEL, encoding="utf-8")
    assert not onednn_pays()
    amd.unlink()
    onednn_pays.cache_clear()
    assert not onednn_pays()


@pytest.mark.usefixtures("amd")
def test_a_processor_without_the_wide_kernels_keeps_them_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    assert not onednn_pays()


@pytest.mark.usefixtures("amd")
def test_a_variable_leaves_them_to_torch_and_another_word_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "torch")
    assert not onednn_pays()
    onednn_pays.cache_clear()
    monkeypatch.setenv(VARIABLE, "mkl")
    with pytest.raises(UserError, match="TESSERA_PRODUCTS is 'mkl'; it can be torch, or unset"):
        onednn_pays()


def test_few_rows_of_short_sums_other_precisions_and_autocast_stay_with_torch(
    made: list[tuple[int, ...]],
) -> None:
    short, long = torch.randn(8, ONE_CHAIN), torch.randn(8, ONE_CHAIN + 1)
    linear(torch.randn(FEWEST - 1, ONE_CHAIN), short)
    linear(torch.randn(3, ONE_CHAIN + 1), long)
    linear(torch.randn(FEWEST, ONE_CHAIN).double(), short.double())
    linear(torch.randn(FEWEST, ONE_CHAIN).bfloat16(), short.bfloat16())
    linear(torch.randn(0, ONE_CHAIN), short)
    with torch.autocast("cpu", torch.bfloat16):
        linear(torch.randn(FEWEST, ONE_CHAIN), short)
    with torchs_own():
        linear(torch.randn(FEWEST, ONE_CHAIN), short)
    assert made == []
    linear(torch.randn(FEWEST, ONE_CHAIN), short)
    linear(torch.randn(4, ONE_CHAIN + 1), long)
    assert made == [(FEWEST, ONE_CHAIN), (4, ONE_CHAIN + 1)]


def test_what_is_left_to_torch_is_taken_back_after_an_error() -> None:
    def fail() -> None:
        raise KeyError

    with pytest.raises(KeyError), torchs_own():
        fail()
    assert not products._left


# --- what they are ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(40, 16), (3, 20, 16), (1000, 128), (70, 512)])
@pytest.mark.parametrize("out", [8, 600])
def test_values_and_gradients_are_those_of_float64(
    shape: tuple[int, ...], out: int, made: list[tuple[int, ...]]
) -> None:
    x, weight = torch.randn(shape, requires_grad=True), torch.randn(out, shape[-1], requires_grad=True)
    grad = torch.randn(*shape[:-1], out)
    found = linear(x, weight)
    found.backward(grad)
    assert len(made) == 3
    wide = [each.detach().double().requires_grad_() for each in (x, weight)]
    exact = F.linear(wide[0], wide[1])
    exact.backward(grad.double())
    assert found.shape == exact.shape
    assert (found - exact).abs().max() < 2e-6 * shape[-1]
    assert x.grad is not None
    assert weight.grad is not None
    for mine, theirs in ((x.grad, wide[0].grad), (weight.grad, wide[1].grad)):
        assert theirs is not None
        assert (mine - theirs).abs().max() < 1e-5 * theirs.abs().max()


def test_nothing_is_made_for_who_needs_no_gradient(made: list[tuple[int, ...]]) -> None:
    x, weight = torch.randn(40, 16), torch.randn(8, 16, requires_grad=True)
    linear(x, weight).sum().backward()
    assert len(made) == 2
    x.requires_grad_()
    linear(x, weight.detach()).sum().backward()
    assert len(made) == 4
    with torch.no_grad():
        assert not linear(x, weight).requires_grad


def test_rows_that_do_not_lie_side_by_side_are_read_as_they_are(made: list[tuple[int, ...]]) -> None:
    x, weight = torch.randn(16, 40).T, torch.randn(16, 8).T
    assert torch.allclose(linear(x, weight), x @ weight.T, atol=1e-5)
    assert torch.allclose(linear(torch.randn(80, 16)[::2], weight).isfinite().float(), torch.ones(()))
    assert len(made) == 2


# Elsewhere the products are torch's own, which promises nothing of the kind.
@pytest.mark.skipif(
    not onednn_pays(), reason="oneDNN makes no products here: torch's own are not ours to test"
)
@pytest.mark.parametrize("features", [128, 512])
def test_a_row_is_what_it_is_among_any_number_of_others(features: int) -> None:
    """From 4 rows on, bit for bit, at the lengths of mosaic: here, whoever makes them."""
    x, weight = torch.randn(300, features), torch.randn(96, features)
    whole = linear(x, weight)
    for rows in (4, 8, 31, 32, 33, 128):
        assert torch.equal(linear(x[:rows], weight), whole[:rows])


def test_a_layer_has_the_weights_of_torchs() -> None:
    layer, theirs = Linear(16, 8), torch.nn.Linear(16, 8, bias=False)
    layer.load_state_dict(theirs.state_dict())
    x = torch.randn(5, 16)
    assert torch.allclose(layer(x), theirs(x), atol=1e-6)
