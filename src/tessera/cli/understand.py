"""`tessera understand`: whether a unified model still reads pictures after it was trained to draw them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tessera import __version__
from tessera.cli.common import Output, command_line, finish, link, parse_flags, positive
from tessera.cli.progress import progress_bar
from tessera.errors import UserError

if TYPE_CHECKING:
    from tessera.benchmarks.understanding.contract import Understands


@dataclass(frozen=True, kw_only=True)
class Flags(Output):
    """Ask policies your own questions about pictures: accuracy, and paired differences from the first one.

    A line of the file: {"image": "a.png", "question": "What is it?", "answers": ["a cup", "cup"]}. It is
    answered in words, compared without case, punctuation and articles. With "choices": ["yes", "no"] the
    likeliest one counts, by log-likelihood per token, and "answers" names the right ones. Only a policy that
    reads pictures can be asked: Janus.
    Example: tessera understand --policy BASE RUN --questions q.jsonl --images pictures --out runs/reading
    """

    policy: tuple[str, ...]
    """one or more policies; differences are from the first"""
    questions: Path
    """.jsonl with image, question, answers, and choices if there are any"""
    images: Path
    """folder of the pictures"""
    instruction: str | None = None
    """what follows a question that is answered in words; unset: ask for a single word or phrase"""
    limit: int = 32
    """tokens of an answer at most"""
    device: str | None = None
    """cpu, cuda or cuda:1; unset: a GPU if there is one"""
    threads: int = 1
    """threads of a CPU; more than one pays only on an idle machine"""


def run(arguments: Sequence[str]) -> int:
    """Runs the command; returns the exit code."""
    flags = parse_flags(Flags, "understand", arguments)

    import torch

    from tessera.benchmarks.understanding.layout import ANSWERS, SUMMARY, read_understanding
    from tessera.benchmarks.understanding.questions import questions_digest, read_questions
    from tessera.benchmarks.understanding.runner import SHORT, ask
    from tessera.benchmarks.understanding.summary import summarise_answers
    from tessera.report.understanding import understanding_lines
    from tessera.storage import OutputFolder, write_json

    torch.set_num_threads(positive("threads", flags.threads))
    limit = positive("limit", flags.limit)
    if len(set(flags.policy)) < len(flags.policy):
        raise UserError(f"--policy names one twice: {' '.join(flags.policy)}; name each once")
    questions = read_questions(flags.questions, flags.images)
    instruction = SHORT if flags.instruction is None else flags.instruction
    settings = {
        "tessera": __version__,
        "policies": list(flags.policy),
        "questions": questions_digest(questions, flags.images),
        "instruction": instruction,
        "limit": limit,
    }
    first = opened(flags.policy[0], flags.device)  # before anything is written
    folder = OutputFolder.open(flags.out, settings, resume=flags.resume)
    if not folder.done:
        answers = {}
        with progress_bar(flags.json) as bar:
            for name in flags.policy:
                reader, digest = first or opened(name, flags.device)
                answers[name] = ask(
                    reader,
                    name,
                    digest,
                    questions,
                    flags.images,
                    folder.work,
                    instruction=instruction,
                    limit=limit,
                    on_progress=bar,
                )
                del reader  # two large policies may not fit beside one another
                first = None
        write_json(folder.work / SUMMARY, summarise_answers(answers))
        folder.note({"command": command_line("understand", arguments)})
        folder.finish()
    summary = read_understanding(folder.final)
    lines = [*understanding_lines(summary), f"Every answer: {link(folder.final / ANSWERS)}"]
    return finish({"out": str(folder.final), "summary": summary}, as_json=flags.json, lines=lines)


def opened(name: str, device: str | None) -> "tuple[Understands, str]":
    """Returns the side of a policy that reads pictures, and the policy's digest."""
    from tessera.benchmarks.understanding.contract import reader_of
    from tessera.devices import device_of
    from tessera.policies.load import load_policy

    policy = load_policy(name)
    reader = reader_of(policy, name)
    digest = policy.digest()
    policy.to(device_of(device))
    return reader, digest
