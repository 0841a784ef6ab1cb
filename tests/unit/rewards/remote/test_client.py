"""The client: whole groups, several servers, bounded retries, and no number from a wrong instrument."""

import math
from collections.abc import Callable, Sequence
from threading import Event, Lock, get_ident
from time import sleep
from typing import Any

import httpx2
import numpy as np
import pytest
import torch
from starlette.responses import Response

from tessera.errors import RewardError, UserError
from tessera.protocols import Reward, Scorer
from tessera.rewards.ask import ask
from tessera.rewards.ensemble import Combination, Ensemble, Part
from tessera.rewards.load import EnsembleReward, PartConfig, load_reward, load_scorer
from tessera.rewards.metric import MetricReward
from tessera.rewards.named import overlap
from tessera.rewards.noise import NoiseReward
from tessera.rewards.remote.client import Remote, Servers
from tessera.rewards.remote.limits import Limits
from tessera.rewards.remote.request import Header
from tessera.rewards.remote.server import listen
from tessera.rewards.remote.settings import RemoteReward
from tessera.types import Prompt
from tests.unit.rewards.remote.serving import (
    answering,
    counts,
    function_reward,
    numbered,
    prompts_of,
    read_number,
    remote,
    serving,
)

NUMBERS = function_reward(read_number)
NOWHERE = "http://127.0.0.1:9"  # the port of `discard`, which nobody serves


def values(reward: Reward, numbers: Sequence[int], group: int = 1) -> list[float]:
    return ask(reward, prompts_of(numbers), numbered(numbers), group).value_B.tolist()


class Faulty:
    """A reward that fails as long as it is told to, and then reads the numbers."""

    def __init__(self, failures: int) -> None:
        self.left, self.calls = failures, 0
        self.lock = Lock()

    def __call__(self, prompts: Sequence[Prompt], images: np.ndarray) -> list[float]:
        with self.lock:
            self.calls += 1
            self.left -= 1
            if self.left >= 0:
                raise ZeroDivisionError("the judge is out")
        return read_number(prompts, images)


def rows(header: Header, **changes: Any) -> dict[str, Any]:
    """Returns a right answer of a server that is not ours, with every row changed."""
    return {"digest": "abc", "rows": [{"id": id_, "value": 0.5, **changes} for id_ in header.ids]}


def test_it_is_a_reward_and_a_scorer_and_what_it_serves() -> None:
    with serving(NUMBERS) as url:
        settings = RemoteReward(urls=(url,))
        reward, scorer = load_reward(settings), load_scorer(settings)
        assert isinstance(reward, Reward)
        assert isinstance(scorer, Scorer)
        for each in (reward, scorer):
            assert (each.name, each.digest()) == (NUMBERS.name, NUMBERS.digest())
        assert scorer.score(prompts_of([3, 4]), numbered([3, 4])).value_B.tolist() == [3, 4]


def test_nothing_is_connected_to_before_it_is_needed() -> None:
    reward = Remote(Servers(RemoteReward(urls=(NOWHERE,), retries=1, backoff=0.01)))
    assert reward.name == NOWHERE
    with pytest.raises(RewardError, match=rf"{NOWHERE}: .*refused; start it with tessera serve-reward"):
        reward.digest()


@pytest.mark.parametrize("count", [1, 5, 6, 12, 23])
def test_groups_reach_the_servers_whole(count: int) -> None:
    """A rank within the group, over two servers and requests of 7 pictures: what one process gives."""
    how = Combination(calibration="rank")
    whole = Ensemble((Part(load_scorer(NoiseReward()), how),))
    numbers, group = list(range(3 * count)), 3
    with serving(whole) as one, serving(whole) as two:
        away = remote(one, two, max_pictures=7)
        there = ask(away, prompts_of(numbers), numbered(numbers), group)
        spread = [counts(url)["pictures_total"] for url in (one, two)]
    here = ask(whole, prompts_of(numbers), numbered(numbers), group)
    assert torch.equal(there.value_B, here.value_B)
    assert torch.equal(there.parts["noise"], here.parts["noise"])
    assert (there.reasons, there.digest) == (here.reasons, here.digest)
    assert sum(spread) == 3 * count
    assert abs(spread[0] - spread[1]) <= 6


def test_a_remote_scorer_is_a_part_like_any_other() -> None:
    with serving(NUMBERS) as url:
        parts = (PartConfig(scorer=RemoteReward(urls=(url,))), PartConfig(scorer=NoiseReward()))
        scores = ask(load_reward(EnsembleReward(parts=parts)), prompts_of([1, 2]), numbered([1, 2]))
    assert scores.parts[NUMBERS.name].tolist() == [1, 2]
    assert set(scores.parts) == {NUMBERS.name, "noise"}


def test_the_limits_of_the_server_are_kept() -> None:
    tight = Limits(megabytes=5, pictures=10)
    big = np.zeros((12, 300, 300, 3), dtype=np.uint8)  # 0.26 MiB each: 3 of them fit into 1 MiB
    with serving(NUMBERS, limits=tight) as url:
        assert values(remote(url), range(25)) == list(range(25))
        assert counts(url)["answered_total"] == 3
        ask(remote(url), prompts_of(range(12)), big, 2)
        assert counts(url)["answered_total"] == 3 + 6
        with pytest.raises(RewardError, match=r"a group of 4 pictures.*holds 3 pictures.*--megabytes"):
            ask(remote(url), prompts_of(range(12)), big, 4)
        with pytest.raises(RewardError, match="holds 2 pictures"):
            values(remote(url, max_pictures=2), range(3), group=3)


def test_nothing_to_score_asks_nobody() -> None:
    with serving(NUMBERS) as url:
        assert len(ask(remote(url), [], numbered([]), 2)) == 0
        assert counts(url)["requests_total"] == 0


def test_retries_are_made_and_counted() -> None:
    faulty = Faulty(2)
    with serving(function_reward(faulty)) as url:
        assert values(remote(url, retries=2), [7]) == [7]
        told = counts(url)
    assert faulty.calls == 3
    assert (told["requests_total"], told['failures_total{kind="crash"}']) == (3, 2)


def test_retries_end_and_a_call_without_any_answer_is_an_error() -> None:
    faulty = Faulty(100)
    with (
        serving(function_reward(faulty)) as url,
        pytest.raises(
            RewardError, match=rf"no answer after 3 attempts.*{url}: 500: .*the judge is out.*--res"
        ),
    ):
        values(remote(url, retries=2), [7])
    assert faulty.calls == 3


def test_what_is_not_answered_is_missing_with_the_reason_where_the_rest_is() -> None:
    def fragile(prompts: Sequence[Prompt], images: np.ndarray) -> list[float]:
        if any(prompt.text == "5" for prompt in prompts):
            raise ZeroDivisionError("the judge is out")
        return read_number(prompts, images)

    with serving(function_reward(fragile)) as url:
        scores = ask(remote(url, max_pictures=2, retries=1), prompts_of(range(6)), numbered(range(6)), 2)
    assert scores.value_B.tolist()[:4] == [0, 1, 2, 3]
    assert [math.isnan(value) for value in scores.value_B.tolist()[4:]] == [True, True]
    assert scores.reasons[:4] == ("",) * 4
    assert all(f"no answer after 2 attempts, the last at {url}: 500" in each for each in scores.reasons[4:])


def test_what_asking_again_cannot_mend_is_not_asked_again() -> None:
    asked = []

    def no(status: int) -> Callable[[Header], Response]:
        def answer(header: Header) -> Response:
            asked.append(status)
            return Response('{"error": "not like this"}', status_code=status)

        return answer

    for status in (400, 401, 404, 409, 413, 422, 302):
        with (
            answering(no(status)) as url,
            pytest.raises(RewardError, match=f"{url}/score refused: {status}: not like this"),
        ):
            values(remote(url, retries=3), [1])
    assert asked == [400, 401, 404, 409, 413, 422, 302]


def test_another_server_takes_over_for_one_that_fell_silent() -> None:
    with serving(NUMBERS) as one:
        with serving(NUMBERS) as two:
            reward = remote(one, two, retries=1, max_pictures=2)
            assert values(reward, range(8)) == list(range(8))
        assert values(reward, range(8)) == list(range(8))
        assert counts(one)["pictures_total"] == 4 + 8


def test_a_slow_server_is_not_waited_for_and_forgets_who_left() -> None:
    gate, entered = Event(), []

    def slow(prompts: Sequence[Prompt], images: np.ndarray) -> list[float]:
        entered.append(get_ident())
        assert gate.wait(20)
        return read_number(prompts, images)

    with serving(function_reward(slow)) as url:
        with pytest.raises(RewardError, match=rf"after 3 attempts, the last at {url}: nothing within 0.2 s"):
            values(remote(url, retries=2, timeout=0.2), [1])
        for _ in range(500):
            if counts(url)['failures_total{kind="gone"}'] == 3:
                break
            sleep(0.01)
        gate.set()
        assert counts(url)["in_flight"] == 0
    assert len(entered) == 1  # the second and the third attempt had left before their turn


def test_a_server_that_asks_for_time_gets_it() -> None:
    answers = iter([Response("{}", 503, {"Retry-After": "1"}), None])

    def busy(header: Header) -> Any:
        return next(answers) or rows(header)

    with answering(busy) as url:
        assert values(remote(url, retries=1, backoff=1e-6), [1]) == [0.5]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda header: {"digest": "abc", "rows": rows(header)["rows"][:-1]}, "asked about 2.*gave 1 rows"),
        (lambda header: {"digest": "abc", "rows": rows(header)["rows"][:1] * 2}, "gave 2 rows for 1"),
        (lambda header: rows(header, id="other"), "among them 'other'"),
        (lambda header: rows(header, value=None), "no value for picture .* and no reason"),
        (lambda header: rows(header, value=math.inf), "finite number"),
        (lambda header: {**rows(header), "digest": "def"}, "digest 'def', and this run began with 'abc'"),
        (lambda header: [0.5, 0.5], "no JSON object"),
        (lambda header: Response("<html>"), "no JSON"),
    ],
)
def test_a_wrong_answer_stops_and_names_the_server(answer: Callable[[Header], Any], words: str) -> None:
    with answering(answer) as url, pytest.raises(RewardError, match=words) as told:
        values(remote(url, retries=3), [1, 2])
    assert url in str(told.value)


@pytest.mark.parametrize(
    ("health", "words"),
    [
        ({"wire": 2}, "speaks format 2, not 1"),
        ({"digest": 5}, "no reward server of this version"),
        ({"surprise": 5}, "no reward server of this version"),
        ({"limits": {"pictures": 0}}, "no reward server of this version"),
    ],
)
def test_what_is_no_such_server_is_told_at_once(health: dict[str, Any], words: str) -> None:
    with answering(rows, **health) as url, pytest.raises(RewardError, match=words) as told:
        remote(url).digest()
    assert url in str(told.value)


def test_servers_of_different_rewards_are_refused() -> None:
    other = function_reward(read_number, "tests:other")
    with (
        serving(NUMBERS) as one,
        serving(other) as two,
        pytest.raises(
            RewardError, match=rf"{two} serves.*{other.digest()}.*{one} serves.*{NUMBERS.digest()}"
        ),
    ):
        remote(one, two).digest()


def test_the_expected_digest_is_held_against_the_server() -> None:
    with serving(NUMBERS) as url:
        assert values(remote(url, digest=NUMBERS.digest()), [3]) == [3]
        with pytest.raises(RewardError, match=f"{NUMBERS.digest()!r}, and `digest` expects '0123'"):
            remote(url, digest="0123").digest()


def test_a_restart_with_the_same_reward_goes_unnoticed_and_with_another_is_an_error() -> None:
    with listen("127.0.0.1", 0) as free:
        port = free.getsockname()[1]
    with serving(NUMBERS, port=port) as url:
        reward = remote(url, retries=1)
        assert values(reward, [1]) == [1]
    with serving(NUMBERS, port=port):
        assert values(reward, [2]) == [2]
    other = function_reward(read_number, "tests:other")
    with (
        serving(other, port=port),
        pytest.raises(RewardError, match=f"refused: 409: .*{other.digest()}, not"),
    ):
        values(reward, [3])


def test_the_token_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RIGHT", "secret")
    monkeypatch.setenv("WRONG", "guess")
    monkeypatch.delenv("UNSET", raising=False)
    with serving(NUMBERS, token="secret") as url:
        assert values(remote(url, token_env="RIGHT"), [4]) == [4]
        for variable in (None, "WRONG"):
            with pytest.raises(RewardError, match=r"refused: 401: .*token_env"):
                remote(url, token_env=variable).digest()
        with pytest.raises(UserError, match="UNSET holds no token"):
            remote(url, token_env="UNSET").digest()


def test_a_proxy_of_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", NOWHERE)
    monkeypatch.setenv("ALL_PROXY", NOWHERE)
    with serving(NUMBERS) as url:
        with pytest.raises(httpx2.TransportError):
            httpx2.get(f"{url}/health")
        assert values(remote(url), [4]) == [4]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"urls": ()}, "one server or more"),
        ({"urls": ("http://a", "http://a/")}, "each once"),
        ({"urls": ("ftp://a",)}, "urls are like"),
        ({"urls": ("/etc/passwd",)}, "urls are like"),
        ({"urls": ("http://a?x=1",)}, "urls are like"),
        ({"urls": ("http://a:port",)}, "no web address"),
        ({"urls": ("http://me:secret@a",)}, "password has no place"),
        ({"timeout": 0.0}, "timeout must be above 0"),
        ({"retries": -1}, "retries must be 0 or more"),
        ({"max_pictures": 0}, "max_pictures must be above 0"),
    ],
)
def test_settings_that_cannot_work_are_refused_when_read(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        RemoteReward(**{"urls": ("http://127.0.0.1:8700",), **changes})


def test_the_verifier_behind_a_server_is_told_beside_what_it_grades() -> None:
    with serving(load_reward(MetricReward())) as verifier, serving(NUMBERS) as other:
        assert "Overlap" in overlap(RemoteReward(urls=(verifier,)), ["mosaic-id"])
        assert overlap(RemoteReward(urls=(verifier,)), ["geneval"]) == ""
        assert overlap(RemoteReward(urls=(other,)), ["mosaic-id"]) == ""
