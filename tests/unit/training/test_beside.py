"""The thread beside the drawing: in order, with its errors as they are, and only where cores are idle."""

import json
import os
import threading
import time
from pathlib import Path

import pytest
import torch

from tessera.training.beside import Thread, pays
from tessera.training.run import open_run
from tests.tiny import run_config, save_tiny_policy

CPU = torch.device("cpu")


def test_work_is_done_in_order_by_one_other_thread() -> None:
    beside, done = Thread(CPU), list[tuple[int, int]]()

    def work(number: int) -> int:
        time.sleep(0.01 * (3 - number))
        done.append((number, threading.get_ident()))
        return number

    results = [beside.start(lambda n=n: work(n)) for n in range(3)]
    assert [result() for result in results] == [0, 1, 2]
    assert [number for number, _ in done] == [0, 1, 2]
    (thread,) = {thread for _, thread in done}
    assert thread != threading.get_ident()


def test_waiting_is_for_the_end_and_leaves_an_error_to_whoever_asks_for_the_result() -> None:
    beside, done = Thread(CPU), threading.Event()

    def fail() -> None:
        time.sleep(0.05)
        done.set()
        raise KeyError("somebody's")

    result = beside.start(fail)
    beside.wait()
    assert done.is_set()
    with pytest.raises(KeyError, match="somebody's"):
        result()
    beside.wait()  # again, with nothing to do


def test_it_is_taken_by_itself_where_cores_would_be_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3}, raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    cases = [(1, 1, True), (2, 1, True), (3, 1, False), (1, 2, True), (2, 2, False)]
    for threads, processes, expected in cases:
        monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
        assert pays(CPU, processes) is expected
    assert not pays(torch.device("cuda"), 1)


@pytest.mark.parametrize("wanted", [True, False])
def test_a_run_says_whether_it_has_one_and_may_go_on_without(tmp_path: Path, wanted: bool) -> None:
    policy = save_tiny_policy(tmp_path / "policy")
    settings = run_config(policy, judge_while_drawing=wanted)
    run = open_run(settings, tmp_path / "run", "test", resume=False)
    assert (run.context.beside is not None) is wanted
    assert json.loads((tmp_path / "run" / "config.json").read_text())["judge_while_drawing"] is wanted
    # Who does which part of the work is no part of what the run is.
    assert settings.identity() == run_config(policy).identity()


@pytest.mark.gpu
def test_on_a_gpu_it_has_a_stream_of_its_own_and_starts_from_what_is_there() -> None:
    device = torch.device("cuda")
    beside = Thread(device)
    x = torch.zeros(2**22, device=device)
    for _ in range(200):  # still running when the work is handed over
        x += 1
    result = beside.start(lambda: (torch.cuda.current_stream(), (2 * x).sum()))
    stream, total = result()
    assert stream != torch.cuda.current_stream()
    assert total.item() == 400 * 2**22
