"""Asking: questions in words, answered from what was measured about the claims. No torch until something is run."""

from __future__ import annotations

import os

from surefoot.records.answer import Answer
from surefoot.textbook.ask.answering import answer_question

__all__ = ["ask"]


def ask(question: str, *, run: bool = False, record: str | os.PathLike[str] | None = None) -> Answer:
    """Answer a question about the learning rate from what was measured.

    Args:
        question: words, as people type them: symptoms, numbers, fragments; up to 10,000 characters.
        run: when the question names a task, such as "is 0.1 too high for digits with sgd?" or "how sharp is digits at
            0.1?", or a log, measure it now: by `find`, `curvature` or `diagnose`.
        record: another record of the claims than the package's own.

    Returns:
        The answer with its claims, verdict, measurements and the command that measures again. Its `status` is
        ``nothing_measured`` where no claim fits.

    Raises:
        InputError: the question is empty or too long; or, with `run`, the task or log it names does not fit.
        RecordError: the record is missing or damaged.
    """
    from surefoot.textbook.ask import measuring_now

    answer = answer_question(question, record=record)
    want = measuring_now.wanted(question)
    if want is None:
        return measuring_now.unnamed(answer) if run else answer
    return measuring_now.measure(answer, want) if run else measuring_now.offered(answer, want)
