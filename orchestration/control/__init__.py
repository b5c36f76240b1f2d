"""The control store: tasks, leases, sessions and the usage ledger in one SQLite file that any process may open."""

from orchestration.control.claims import Claim
from orchestration.control.store import Control
from orchestration.control.task import Task

__all__ = ["Claim", "Control", "Task"]
