"""What every scorer of an outside model promises; the tests of each call these on a tiny one."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tessera.scorers.placed import Placement, Rest
from tessera.types import Prompt
from tests.unit.scorers.blip.tiny import pictures

Load = Callable[[Placement], Any]


@dataclass(frozen=True)
class Case:
    """A scorer to be checked."""

    load: Load
    prompts: Sequence[Prompt]  # what it can score; several lengths among them
    unscorable: Prompt
    others: Sequence[Load]  # other weights, other settings

    def at(self, batch_size: int, rest: Rest = "device") -> Any:
        """Returns the scorer."""
        return self.load(Placement(device="cpu", batch_size=batch_size, rest=rest))


def check_rows_are_their_own(case: Case) -> None:
    """Rows alone, together, turned round and in any batch give the same, and not all the same."""
    rows = [*case.prompts, case.unscorable, *case.prompts]
    images = pictures(len(rows))
    alone = np.array([_values(case.at(1), [row], images[i : i + 1])[0] for i, row in enumerate(rows)])
    assert len(set(alone[~np.isnan(alone)])) > len(case.prompts)
    for size in (1, 2, 5):
        together = _values(case.at(size), rows, images)
        np.testing.assert_allclose(together, alone, rtol=0, atol=1e-6)
        turned = _values(case.at(size), rows[::-1], images[::-1])
        np.testing.assert_allclose(turned[::-1], alone, rtol=0, atol=1e-6)


def check_what_is_missing_has_a_reason(case: Case) -> None:
    """A picture without a number is NaN and says why; its neighbours have numbers and no reason."""
    scores = case.at(4).score([case.prompts[0], case.unscorable], pictures(2))
    known, missing = scores.value_B.tolist()
    assert math.isfinite(known)
    assert math.isnan(missing)
    assert scores.reasons[0] == ""
    assert scores.reasons[1]


def check_numbers_of_prompts_and_pictures_agree(case: Case) -> None:
    """Nothing gives nothing and loads nothing; unequal numbers are an error."""
    scorer = case.at(4)
    empty = scorer.score([], np.empty((0, 9, 9, 3), dtype=np.uint8))
    assert len(empty) == 0
    assert not scorer.held.loaded
    with pytest.raises(ValueError, match="zip"):
        scorer.score(list(case.prompts[:2]), pictures(1))


def check_the_digest_tells_instruments_apart(case: Case) -> None:
    """Placement is no part of the instrument, but for the dtype; weights and settings are."""
    digests = [case.at(4).digest(), case.at(1, "disk").digest()]
    assert len(set(digests)) == 1
    digests += [other(Placement(device="cpu")).digest() for other in case.others]
    digests.append(case.load(Placement(device="cpu", dtype="bfloat16")).digest())
    assert len(set(digests)) == 2 + len(case.others)
    assert case.at(4).score(case.prompts[:1], pictures(1)).digest == digests[0]


def check_weights_are_read_late_and_once(case: Case) -> None:
    """Scorers of one model share it, and a model that was let go comes back the same."""
    one, two = case.at(4), case.at(2)
    assert not one.held.loaded
    first = _values(one, case.prompts[:1], pictures(1))
    assert one.held is two.held
    assert two.held.loaded
    one.held.release()
    assert _values(two, case.prompts[:1], pictures(1)) == first
    resting = case.at(4, "disk")
    assert _values(resting, case.prompts[:1], pictures(1)) == first
    assert not resting.held.loaded


def check_half_precision_is_close(case: Case, atol: float) -> None:
    """A trunk of bfloat16 gives other numbers, near those of float32."""
    images = pictures(len(case.prompts))
    exact = np.array(_values(case.at(4), case.prompts, images))
    coarse = np.array(_values(case.load(Placement(device="cpu", dtype="bfloat16")), case.prompts, images))
    assert not np.array_equal(exact, coarse)
    np.testing.assert_allclose(coarse, exact, rtol=0, atol=atol)


def _values(scorer: Any, prompts: Sequence[Prompt], images: NDArray[np.uint8]) -> list[float]:
    return scorer.score(list(prompts), images).value_B.tolist()
