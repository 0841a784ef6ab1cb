"""Asks a policy every question of a file, a line each as they come; what is there is not asked again.

{"policy", "policy_digest", "id", "image", "category", "question", "answer", "correct", "contained",
 "reason", "logp": {choice: nats per token} or null}
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tessera.benchmarks.understanding.contract import Understands
from tessera.benchmarks.understanding.layout import ANSWERS
from tessera.benchmarks.understanding.questions import Question
from tessera.benchmarks.understanding.verdict import judge_choices, judge_words
from tessera.data.listing import read_picture
from tessera.errors import UserError
from tessera.storage import append_jsonl, drop_torn_line, full_disk_told, read_jsonl
from tessera.types import Progress, silent

SHORT = "Answer the question using a single word or phrase."  # as LLaVA-1.5 asks VQA (arXiv:2310.03744)


def ask(
    reader: Understands,
    name: str,
    digest: str,
    questions: Sequence[Question],
    images: Path,
    out: Path,
    *,
    instruction: str,
    limit: int,
    on_progress: Progress = silent,
) -> list[dict[str, Any]]:
    """Returns a row for each question, in the order given; rows that `out` has are kept.

    `instruction` follows a question that is answered in words, on a line of its own.
    """
    path = out / ANSWERS
    drop_torn_line(path)
    known = dict(_known(path, name, digest))
    on_progress(name, len(known), len(questions))
    for question in questions:
        if question.id in known:
            continue
        row = {
            "policy": name,
            "policy_digest": digest,
            **_asked(reader, question, images, instruction, limit),
        }
        with full_disk_told(out):
            append_jsonl(path, [row])
        known[question.id] = row
        on_progress(name, len(known), len(questions))
    return [known[question.id] for question in questions]


def _known(path: Path, name: str, digest: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for row in read_jsonl(path):
        if row["policy"] != name:
            continue
        if row["policy_digest"] != digest:
            raise UserError(
                f"{path} holds answers of {name} with other weights ({row['policy_digest'][:12]}, now "
                f"{digest[:12]}); choose another --out"
            )
        yield row["id"], row


def _asked(
    reader: Understands, question: Question, images: Path, instruction: str, limit: int
) -> dict[str, Any]:
    image_HWC, logp = read_picture(images / question.image), None
    if question.choices:
        logp = reader.weigh(image_HWC, question.text, question.choices)
        verdict = judge_choices(logp, question.choices, question.answers)
    else:
        text = f"{question.text}\n{instruction}" if instruction else question.text
        verdict = judge_words(reader.answer(image_HWC, text, limit), question.answers)
    return {
        "id": question.id,
        "image": question.image,
        "category": question.category,
        "question": question.text,
        "answer": verdict.answer,
        "correct": verdict.correct,
        "contained": verdict.contained,
        "reason": verdict.reason,
        "logp": None if logp is None else dict(zip(question.choices, logp, strict=True)),
    }
