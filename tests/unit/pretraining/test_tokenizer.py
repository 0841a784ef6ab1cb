"""Training of the tokenizer: it learns, and codes that serve nobody are put to work."""

import pytest
import torch
from torch import nn

from tessera.policies.mosaic.config import TokenizerConfig
from tessera.policies.mosaic.tokenizer import Tokenizer
from tessera.pretraining.tokenizer import (
    TokenizerTraining,
    _RunningCodebook,
    round_trip,
    train_tokenizer,
)

TINY = TokenizerConfig(codebook=48, code_dim=8, encoder_width=32, width=16, blocks=1, decoder_width=48)
SHORT = TokenizerTraining(steps=60, batch_size=8, warm_up=5, revive_every=10)


class _Losses:
    """A `Progress` that keeps the losses it hears."""

    def __init__(self) -> None:
        self.heard: list[tuple[int, int]] = []
        self.losses: list[float] = []

    def __call__(self, what: str, done: int, total: int, note: str = "") -> None:
        assert what == "tokenizer"
        self.heard.append((done, total))
        self.losses.append(float(note.removeprefix("loss ")))


def _plane(*entries: tuple[float, float]) -> _RunningCodebook:
    """Returns the running means of a codebook of points in the plane."""
    tokenizer = Tokenizer(TokenizerConfig(codebook=len(entries), code_dim=2))
    tokenizer.codebook.data = torch.tensor(entries)
    return _RunningCodebook(tokenizer, decay=0.5)


def test_sixty_steps_lower_the_loss_and_repeat_exactly() -> None:
    losses, again = _Losses(), _Losses()
    first = train_tokenizer(TINY, SHORT, seed=1, on_progress=losses)
    second = train_tokenizer(TINY, SHORT, seed=1, on_progress=again)
    assert losses.heard == [(1, 60), (21, 60), (41, 60), (60, 60)]
    assert losses.losses[-1] < 0.5 * losses.losses[0]
    assert losses.losses == again.losses
    for a, b in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(a, b)


def test_training_keeps_the_codebook_at_its_size_and_out_of_the_gradients() -> None:
    """Also where the first batch has fewer patches (one picture: 64) than the codebook has entries."""
    sizes = TokenizerConfig(codebook=100, code_dim=4, encoder_width=8, width=8, blocks=1, decoder_width=8)
    tokenizer = train_tokenizer(sizes, TokenizerTraining(steps=2, batch_size=1), seed=2)
    assert tokenizer.codebook.shape == (100, 4)
    assert isinstance(tokenizer.codebook, nn.Parameter)
    assert not tokenizer.codebook.requires_grad


def test_an_entry_is_the_running_mean_of_the_points_it_serves() -> None:
    """By hand, decay 1/2. Entry 0: count (1 + 2)/2, sum ((0, 0) + (4, 2))/2, mean (4/3, 2/3).

    Entry 1 serves none: count and sum both halve, so it stays.
    """
    running = _plane((0.0, 0.0), (9.0, 9.0))
    running.update(torch.tensor([[1.0, 0.0], [3.0, 2.0]]), torch.tensor([0, 0]))
    assert running.count_V.tolist() == [1.5, 0.5]
    assert running.codebook.tolist()[0] == pytest.approx([4 / 3, 2 / 3])
    assert running.codebook.tolist()[1] == [9.0, 9.0]


def test_dead_entries_move_onto_the_worst_served_points() -> None:
    """Of the four distinct points (0, 3) and (0, 2) are the farthest from any entry; no point twice."""
    running = _plane((0.0, 0.0), (90.0, 90.0), (90.0, 91.0))
    points = torch.tensor([[0.0, 0.0]] * 3 + [[0.0, 1.0]] * 3 + [[0.0, 2.0], [0.0, 3.0], [0.0, 3.0]])
    assert running.revive(points) == 0  # all are alive at first
    for _ in range(10):
        running.update(torch.zeros(4, 2), torch.zeros(4, dtype=torch.long))
    assert running.count_V[1] < 0.02 < running.count_V[0]
    assert running.revive(points) == 2
    assert running.codebook[0].tolist() == pytest.approx([0.0, 0.0])
    assert sorted(running.codebook[1:].tolist()) == [[0.0, 2.0], [0.0, 3.0]]
    assert running.revive(points) == 0  # and they are alive again


def test_no_more_entries_are_revived_than_there_are_distinct_points() -> None:
    running = _plane((0.0, 0.0), (90.0, 90.0), (90.0, 91.0), (90.0, 92.0))
    for _ in range(10):
        running.update(torch.zeros(4, 2), torch.zeros(4, dtype=torch.long))
    assert running.revive(torch.tensor([[5.0, 5.0]] * 7)) == 1
    assert [5.0, 5.0] in running.codebook.tolist()


def test_the_round_trip_counts_what_survives() -> None:
    result = round_trip(train_tokenizer(TINY, SHORT, seed=5), 30, seed=6)
    assert 0 <= result["exact"] <= 1
    assert 5 < result["psnr_db"] < 40
    assert 1 < result["codes_used"] <= TINY.codebook
