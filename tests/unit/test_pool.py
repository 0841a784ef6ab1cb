"""Work over processes: every item once, whoever does it; a process that dies or raises is told of."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tessera.errors import UserError
from tessera.pool import spread
from tests.architecture.source_tree import REPO


def opened(number: int) -> int:
    return 100 * number


def doubled(state: int, item: int) -> tuple[int, int]:
    return 2 * item, state


def process_of(state: int, item: int) -> int:
    time.sleep(0.05)
    return os.getpid()


def die(state: int, item: int) -> int:
    os._exit(7)


def refuse(state: int, item: int) -> int:
    raise UserError(f"item {item} is refused")


def fall_asleep(state: str, item: int) -> None:
    Path(state).mkdir(exist_ok=True)
    (Path(state) / str(os.getpid())).touch()
    time.sleep(600)


def here(number: int) -> str:
    return os.environ["POOL_TEST_FOLDER"]


@pytest.mark.parametrize("processes", [1, 2])
def test_every_item_is_done_once(processes: int) -> None:
    done = dict(spread(range(11), opened, doubled, processes))
    assert {item: twice for item, (twice, _) in done.items()} == {item: 2 * item for item in range(11)}
    assert {state for _, state in done.values()} <= {0, 100}


def test_several_processes_share_the_items() -> None:
    others = {process for _, process in spread(range(8), opened, process_of, 2)}
    assert len(others) == 2
    assert os.getpid() not in others


def test_one_process_is_this_one() -> None:
    assert {process for _, process in spread(range(2), opened, process_of, 1)} == {os.getpid()}


def test_nothing_to_do_opens_nothing() -> None:
    assert list(spread([], die, doubled, 1)) == []  # pyright: ignore[reportArgumentType] - never called


def test_a_mistake_in_a_process_is_told_in_its_own_words() -> None:
    with pytest.raises(UserError, match="is refused"):
        list(spread(range(4), opened, refuse, 2))


def test_a_process_that_ends_is_told_of_with_the_remedy() -> None:
    with pytest.raises(UserError, match="fewer --processes"):
        list(spread(range(4), opened, die, 2))


def test_processes_end_with_the_one_that_started_them(tmp_path: Path) -> None:
    script = (
        "from tessera.pool import spread; from tests.unit.test_pool import fall_asleep, here\n"
        "if __name__ == '__main__': list(spread(range(4), here, fall_asleep, 2))\n"
    )
    (tmp_path / "main.py").write_text(script)
    environment = {**os.environ, "POOL_TEST_FOLDER": str(tmp_path / "at work"), "PYTHONPATH": str(REPO)}
    started = subprocess.Popen([sys.executable, str(tmp_path / "main.py")], env=environment)
    at_work = tmp_path / "at work"
    wait_until(lambda: at_work.is_dir() and len(list(at_work.iterdir())) == 2)
    started.kill()
    started.wait()
    wait_until(lambda: not any(Path("/proc", each.name).exists() for each in at_work.iterdir()))


def wait_until(true: object) -> None:
    assert callable(true)
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)
