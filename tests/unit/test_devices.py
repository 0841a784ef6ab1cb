"""How a CPU multiplies: by faster kernels only where they are as exact, and only when nobody says no."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tessera import devices
from tessera.devices import PLAIN, PRODUCTS, onednn_pays, products, torch_products, use_cpu
from tessera.errors import UserError

AMD = "vendor_id\t: AuthenticAMD\nmodel name\t: AMD EPYC\n"
INTEL = "vendor_id\t: GenuineIntel\nmodel name\t: Intel Xeon\n"


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """What is chosen here is forgotten again."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    onednn_pays.cache_clear()
    yield
    onednn_pays.cache_clear()
    torch.set_float32_matmul_precision(before)


@pytest.fixture
def amd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine whose processor MKL holds back, without a GPU."""
    monkeypatch.setattr(devices, "CPUS", tmp_path / "cpuinfo")
    (tmp_path / "cpuinfo").write_text(AMD, encoding="utf-8")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(devices, "_whole_digits", lambda: True)
    monkeypatch.delenv(PRODUCTS, raising=False)


@pytest.mark.usefixtures("amd")
def test_a_processor_that_mkl_holds_back_has_its_products_from_onednn() -> None:
    assert products() == PLAIN
    use_cpu(1)
    assert torch.get_float32_matmul_precision() == "medium"
    assert products() == "oneDNN"


@pytest.mark.usefixtures("amd")
def test_a_variable_leaves_products_as_torch_has_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PRODUCTS, "torch")
    use_cpu(1)
    assert torch.get_float32_matmul_precision() == "highest"


def test_a_variable_that_says_something_else_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PRODUCTS, "mkl")
    with pytest.raises(UserError, match="TESSERA_PRODUCTS is 'mkl'; it can be torch, or unset"):
        use_cpu()


@pytest.mark.usefixtures("amd")
def test_where_digits_would_be_lost_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "_whole_digits", lambda: False)
    use_cpu(1)
    assert torch.get_float32_matmul_precision() == "highest"


@pytest.mark.usefixtures("amd")
def test_beside_a_gpu_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert not onednn_pays()


@pytest.mark.usefixtures("amd")
def test_other_processors_keep_what_torch_chose_for_them(tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text(INTEL, encoding="utf-8")
    assert not onednn_pays()
    (tmp_path / "cpuinfo").unlink()
    onednn_pays.cache_clear()
    assert not onednn_pays()


@pytest.mark.parametrize(("lossy", "whole"), [(torch.bfloat16, False), (torch.float32, True)])
def test_products_in_16_bits_are_found_out(
    lossy: torch.dtype, whole: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    multiply = Tensor.__matmul__

    def product(left: Tensor, right: Tensor) -> Tensor:
        if left.dtype == torch.float64:
            return multiply(left, right)
        return multiply(left.to(lossy).double(), right.to(lossy).double()).float()

    monkeypatch.setattr(Tensor, "__matmul__", product)
    assert devices._whole_digits() is whole
    assert torch.get_float32_matmul_precision() == "highest"


@pytest.mark.parametrize("rows", [1, 7, 64, 1000])
@pytest.mark.parametrize("length", [16, 128, 2048])
def test_products_of_this_machine_have_the_digits_of_float32(rows: int, length: int) -> None:
    """Whoever makes them here; a bound that 11 bits of a number would break."""
    use_cpu(1)
    left, right = torch.randn(2, rows, length), torch.randn(2, length, 96)
    for found, exact in (
        (left[0] @ right[0], left[0].double() @ right[0].double()),
        (left @ right, left.double() @ right.double()),
        (torch.nn.functional.linear(left[0], right[0].T), left[0].double() @ right[0].double()),
    ):
        assert (found - exact).abs().max() < 2e-5 * length**0.5


def test_torchs_own_products_end_with_the_block() -> None:
    torch.set_float32_matmul_precision("medium")
    seen: list[str] = []

    def fail() -> None:
        seen.append(torch.get_float32_matmul_precision())
        raise KeyError

    with pytest.raises(KeyError), torch_products():
        fail()
    assert seen == ["highest"]
    assert torch.get_float32_matmul_precision() == "medium"


def test_threads_are_set_where_they_are_given() -> None:
    before = torch.get_num_threads()
    try:
        use_cpu(2)
        use_cpu()
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
