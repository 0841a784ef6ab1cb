"""The published decoders give the pictures that policies give, or nothing is timed."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from tessera.bench.plain_pictures import check_pictures, plain_pictures
from tessera.policies.base import PolicyModule
from tests.contracts.emu3 import tiny_emu3
from tests.contracts.janus import tiny_janus
from tests.contracts.policies import tiny_mosaic

ROWS = 3


def tokens(policy: PolicyModule) -> torch.Tensor:
    return torch.randint(policy.spec.codebook, (ROWS, policy.spec.tokens))


@pytest.mark.parametrize("build", [tiny_janus, tiny_emu3, tiny_mosaic])
def test_pictures_are_those_of_the_policy_within_one_level(build: Callable[[], PolicyModule]) -> None:
    policy = build()
    tokens_BT = tokens(policy)
    ours, theirs = policy.decode(tokens_BT), plain_pictures(policy, tokens_BT)
    assert theirs.dtype == np.uint8
    assert theirs.shape == ours.shape
    assert np.abs(ours.astype(int) - theirs.astype(int)).max() <= 1
    check_pictures(policy, tokens_BT)


def test_janus_is_decoded_in_one_go_and_emu3_picture_by_picture() -> None:
    seen: list[int] = []
    janus, emu3 = tiny_janus(), tiny_emu3()
    for module in (janus.model.model.vqmodel.decoder, emu3.vq.decoder):
        module.register_forward_pre_hook(lambda _, given: seen.append(len(given[0])))
    plain_pictures(janus, tokens(janus))
    plain_pictures(emu3, tokens(emu3))
    assert seen == [ROWS, *[1] * ROWS]


def test_a_decoder_that_computes_something_else_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    policy = tiny_janus()
    published = policy.model.decode_image_tokens
    monkeypatch.setattr(policy.model, "decode_image_tokens", lambda given: published(given) + 0.01)
    with pytest.raises(ValueError, match="255 levels away from that of the published decoder"):
        check_pictures(policy, tokens(policy))
