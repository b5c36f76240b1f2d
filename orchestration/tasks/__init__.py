"""The task queue: adding and changing tasks, explaining why one waits, finishing and grading them, old queues read."""

from orchestration.control.task import Task, fetch, listed
from orchestration.tasks.completion import CheckFailedError, Completion, complete
from orchestration.tasks.examples import classic_eight
from orchestration.tasks.explaining import Explanation, Hold, explain
from orchestration.tasks.importing import Imported, export, import_file
from orchestration.tasks.queue import (
    Spec,
    add,
    as_row,
    as_rows,
    block,
    details,
    edit,
    remove,
    report_progress,
    retry,
    review,
    skip,
    unblock,
)
from orchestration.tasks.stats import stats

__all__ = [
    "CheckFailedError", "Completion", "Explanation", "Hold", "Imported", "Spec", "Task", "add", "as_row", "as_rows",
    "block", "classic_eight", "complete", "details", "edit", "explain", "export", "fetch", "import_file", "listed",
    "remove", "report_progress", "retry", "review", "skip", "stats", "unblock",
]  # fmt: skip
