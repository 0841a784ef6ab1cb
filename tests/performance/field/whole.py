"""GenEval and T2I-CompBench whole, from prompts to pages, by the commands of a user; then killed three times.

    OMP_NUM_THREADS=1 nice -n 5 python -m tests.performance.field.whole --data-dir DATA --out runs/field

Prompts are all that are published, pictures those of the policy that sees no prompt, instruments tiny and
random (tiny_weights.py): what is measured is everything around the instruments, and not one verdict means
anything. Each command is run whole, with every number of processes, and once with SIGKILL at random moments
and `--resume`; then the folders are compared byte by byte.
"""

import argparse
import os
import random
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.performance.field.tiny_weights import settings

POLICY = "mosaic-blind"
PICTURES = {"geneval": 4, "compbench": 2}  # of each prompt; published are 4 and 10
EVIDENCE = {"geneval": "detections.jsonl", "compbench": "answers.jsonl"}
SUMMARY = "summary.json"
POLL = 0.5  # seconds
LATEST = 0.95  # of all lines: later, a kill might come after the end


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What one command took."""

    code: int
    wall: float  # seconds
    cpu: float  # seconds of all its processes
    drawn: float  # seconds until the first picture was looked at, which is after the last one was drawn
    graded: float  # seconds until the last one was; 0 if that did not come
    largest: float  # MiB of its largest process at that one's peak
    together: float  # MiB of all its processes at once, shared pages once, looked at every half second

    def line(self) -> str:
        """Returns the numbers as a person reads them."""
        return (
            f"wall {self.wall:.0f} s (drawn after {self.drawn:.0f} s, graded after {self.graded:.0f} s), "
            f"CPU {self.cpu:.0f} s, peak {self.largest:.0f} MiB in one process, {self.together:.0f} in all"
        )


def command(name: str, out: Path, words: Sequence[str], flags: argparse.Namespace) -> list[str]:
    """Returns the command line without its number of processes."""
    tessera = str(Path(sys.executable).with_name("tessera"))
    line = [tessera, "eval", "--policy", POLICY, "--benchmark", name, "--num", str(PICTURES[name])]
    line += ["--data-dir", str(flags.data_dir), "--set", *words, "--out", str(out)]
    if flags.prompts_per_category:
        line += ["--prompts-per-category", str(flags.prompts_per_category)]
    return line


def lines_in(path: Path) -> int:
    """Returns how many lines a file has; 0 if it is not there."""
    return path.read_bytes().count(b"\n") if path.is_file() else 0


def progress(out: Path, name: str) -> tuple[int, int]:
    """Returns how many pictures an unfinished folder holds, and how many were looked at."""
    home = out.with_name(f"{out.name}.partial") / name
    return lines_in(home / "drawn.jsonl"), lines_in(home / EVIDENCE[name])


def memory(group: int) -> float:
    """Returns the MiB that the processes of a group hold, what they share counted once."""
    total = 0
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if os.getpgid(int(place.name)) == group:
                rows = (place / "smaps_rollup").read_text(encoding="ascii").splitlines()
                total += sum(int(row.split()[1]) for row in rows if row.startswith("Pss:"))
        except OSError:  # it ended meanwhile
            continue
    return total / 1024


def run(line: Sequence[str], out: Path, name: str, log: Path, kill: tuple[int, float] | None = None) -> Cost:
    """Runs a command to its end; or kills it so many seconds after so many lines were there."""
    start, drawn, graded, together, due = time.perf_counter(), 0.0, 0.0, 0.0, float("inf")
    with log.open("ab") as file:
        child = subprocess.Popen(line, stdout=file, stderr=file, start_new_session=True)
    while True:
        pid, status, used = os.wait4(child.pid, os.WNOHANG)
        now = time.perf_counter()
        if pid:
            break
        pictures, seen = progress(out, name)
        together = max(together, memory(child.pid))
        drawn = drawn or (now - start if seen else 0.0)
        graded = graded or (now - start if seen and seen == pictures else 0.0)
        if kill and pictures + seen >= kill[0]:
            due = min(due, now + kill[1])
        if now >= due:
            os.kill(child.pid, signal.SIGKILL)
        time.sleep(POLL if due == float("inf") else 0.01)
    child.returncode = os.waitstatus_to_exitcode(status)
    return Cost(
        code=child.returncode,
        wall=now - start,
        cpu=used.ru_utime + used.ru_stime,
        drawn=drawn,
        graded=graded,
        largest=used.ru_maxrss / 1024,
        together=together,
    )


def bytes_in(folder: Path) -> dict[str, bytes]:
    """Returns every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def compared(whole: Path, other: Path) -> str:
    """Returns whether the summaries are equal, and which other files are not."""
    one, two = bytes_in(whole), bytes_in(other)
    differ = sorted(name for name in one.keys() | two.keys() if one.get(name) != two.get(name))
    equal = "equal" if SUMMARY not in differ else "DIFFERENT"
    return f"{SUMMARY} {equal}; of {len(one)} files {len(differ)} differ: {', '.join(differ[:8])}"


def kills(total: int, count: int, seed: int) -> list[tuple[int, float]]:
    """Returns moments: after how many lines of `total`, and how many seconds later."""
    dice = random.Random(seed)
    return [(each, dice.random()) for each in sorted(dice.sample(range(1, int(LATEST * total)), count))]


def killed(line: Sequence[str], out: Path, name: str, log: Path, moments: Sequence[tuple[int, float]]) -> str:
    """Runs a command that is killed at each of the moments, then to its end; returns what that took."""
    parts, told = [], []
    for number, moment in enumerate((*moments, None)):
        resume = ["--resume"] if number else []
        parts.append(run([*line, *resume], out, name, log, moment))
        if moment is not None:
            pictures, seen = progress(out, name)
            told.append(f"{pictures} drawn, {seen} graded")
            if parts[-1].code != -signal.SIGKILL:
                raise SystemExit(f"was to be killed and ended with {parts[-1].code}; see {log}")
    if parts[-1].code:
        raise SystemExit(f"ended with {parts[-1].code}; see {log}")
    wall, cpu = sum(each.wall for each in parts), sum(each.cpu for each in parts)
    return f"killed with {'; '.join(told)}. Wall {wall:.0f} s, CPU {cpu:.0f} s, all parts together"


def measure(name: str, words: Sequence[str], flags: argparse.Namespace) -> None:
    """Prints what a benchmark took and whether its folders are equal."""
    whole = flags.out / f"{name}-1"
    for processes in flags.processes:
        out = flags.out / f"{name}-{processes}"
        line = [*command(name, out, words, flags), "--processes", str(processes)]
        print(shlex.join(line), flush=True)
        cost = run(line, out, name, flags.out / f"{out.name}.log")
        if cost.code:
            raise SystemExit(f"ended with {cost.code}; see {flags.out / out.name}.log")
        print(f"  {cost.line()}")
        if processes == 1:
            files = bytes_in(out)
            pictures = sum(each.endswith(".png") for each in files)
            size, page = sum(map(len, files.values())) / 1e6, len(files["report.html"]) / 1e6
            print(f"  {pictures} pictures, {pictures / cost.cpu:.1f} per CPU second")
            print(f"  {len(files)} files, {size:.1f} MB, of which the page {page:.1f}", flush=True)
        else:
            print(f"  against one process: {compared(whole, out)}", flush=True)
    out = flags.out / f"{name}-killed"
    total = lines_in(whole / name / "drawn.jsonl") + lines_in(whole / name / EVIDENCE[name])
    line = [*command(name, out, words, flags), "--processes", "1"]
    moments = kills(total, flags.kills, flags.seed)
    print(f"  {killed(line, out, name, flags.out / f'{out.name}.log', moments)}")
    print(f"  against one that was not: {compared(whole, out)}", flush=True)


def main() -> None:
    """Measures each benchmark."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="a folder that is not there yet")
    parser.add_argument("--benchmark", nargs="+", choices=list(PICTURES), default=list(PICTURES))
    parser.add_argument("--prompts-per-category", type=int, help="the first so many; unset: all")
    parser.add_argument("--processes", nargs="+", type=int, default=[1, 2], help="1 first")
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0, help="of the moments of the kills")
    flags = parser.parse_args()
    flags.out.mkdir(parents=True)
    words = settings(flags.out.absolute() / "weights")
    for name in flags.benchmark:
        measure(name, words[name], flags)


if __name__ == "__main__":
    main()
