"""The canary: in these tests a wrong shape is refused.

Shapes in signatures cost users nothing because nothing checks them, except here: pytest's option
`--jaxtyping-packages` checks every call into tessera. A hook that silently skipped the package would leave
every other test as green as before, and blind.
"""

import pytest
import torch
from jaxtyping import TypeCheckError

from tessera.objective.policy import token_logp


def test_the_right_shapes_are_accepted() -> None:
    logp_BT = token_logp(torch.zeros(2, 3, 5), torch.zeros(2, 3, dtype=torch.int64))
    assert logp_BT.shape == (2, 3)


@pytest.mark.parametrize(
    ("logp", "tokens"),
    [
        pytest.param(torch.zeros(2, 3, 5), torch.zeros(2, 4, dtype=torch.int64), id="lengths-disagree"),
        pytest.param(torch.zeros(3, 5), torch.zeros(2, 3, dtype=torch.int64), id="an-axis-is-missing"),
        pytest.param(torch.zeros(2, 3, 5), torch.zeros(2, 3), id="tokens-are-not-integers"),
    ],
)
def test_a_wrong_shape_is_refused(logp: torch.Tensor, tokens: torch.Tensor) -> None:
    with pytest.raises(TypeCheckError):
        token_logp(logp, tokens)
