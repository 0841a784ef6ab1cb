"""Seeds are hashes of names, and a stream of numbers belongs to its seed alone."""

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tessera.rng import derive_seed, rollout_seed, uniforms

NAMES = st.lists(st.text(max_size=8), max_size=4)
SEEDS = st.integers(0, 2**63 - 1)


def test_a_seed_is_half_the_blake2b_of_its_names_with_their_lengths() -> None:
    # By hand: "ab" is two bytes, 7 is written as the one byte "7"; lengths are four bytes, little end first.
    data = b"\x02\x00\x00\x00ab" + b"\x01\x00\x00\x007"
    expected = int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little") // 2
    assert derive_seed("ab", 7) == expected


@pytest.mark.parametrize(
    ("names", "seed"),
    [
        (("split", "circle/1/red/-/-"), 8612578952791854195),
        (("rollout", 0, "a photo of two red circles", 3), 3497673661283715067),
    ],
)
def test_seeds_are_the_ones_that_earlier_releases_gave(names: tuple[int | str, ...], seed: int) -> None:
    """The splits and all recorded rollouts hang on these numbers; they must never change."""
    assert derive_seed(*names) == seed


@given(NAMES, NAMES)
def test_different_paths_have_different_seeds(one: list[str], other: list[str]) -> None:
    """A correct program fails with chance 2^-63 per pair tried."""
    assert (derive_seed(*one) == derive_seed(*other)) == (one == other)


def test_where_one_name_ends_and_the_next_begins_matters() -> None:
    assert (
        len({derive_seed("ab", "c"), derive_seed("a", "bc"), derive_seed("abc"), derive_seed("abc", "")}) == 4
    )


@given(NAMES)
def test_a_seed_has_63_bits(names: list[str]) -> None:
    assert 0 <= derive_seed(*names) < 2**63


def test_a_rollout_seed_depends_on_run_prompt_and_sample() -> None:
    seeds = {
        rollout_seed(run, prompt, sample) for run in range(3) for prompt in ("a", "b") for sample in range(5)
    }
    assert len(seeds) == 3 * 2 * 5
    assert rollout_seed(1, "a", 2) == derive_seed("rollout", 1, "a", 2)


@given(st.lists(SEEDS, max_size=5), st.integers(1, 20))
def test_numbers_lie_in_the_half_open_unit_interval(seeds: list[int], count: int) -> None:
    numbers_BT = uniforms(seeds, count)
    assert numbers_BT.shape == (len(seeds), count)
    assert numbers_BT.dtype == np.float64
    assert ((numbers_BT >= 0) & (numbers_BT < 1)).all()


@given(st.lists(SEEDS, min_size=1, max_size=5), st.integers(1, 20), st.integers(0, 20), st.data())
def test_a_stream_depends_neither_on_its_neighbours_nor_on_its_length(
    seeds: list[int], count: int, more: int, data: st.DataObject
) -> None:
    row = data.draw(st.integers(0, len(seeds) - 1))
    alone = uniforms([seeds[row]], count + more)
    assert (uniforms(seeds, count)[row] == alone[0, :count]).all()


def test_the_numbers_of_many_streams_are_uniform_and_unrelated() -> None:
    """Neighbouring seeds too. A correct program fails with chance below 1e-6 for each of the two checks."""
    numbers_BT = uniforms(range(2000), 64)
    # Chi-square of 100 bins: mean 99, standard deviation 14; 99 + 5.5 * 14 has a tail of about 4e-7.
    counts = np.histogram(numbers_BT, bins=100, range=(0, 1))[0]
    expected = numbers_BT.size / 100
    assert ((counts - expected) ** 2 / expected).sum() < 176
    # The correlation of a column with the same column of the next seed: 64 values of deviation 2000^-0.5.
    centred = numbers_BT - 0.5
    correlation_T = (centred[:-1] * centred[1:]).mean(axis=0) * 12
    assert np.abs(correlation_T).max() < 6.2 / 2000**0.5
