"""Sessions: one stretch of work on one task under quotas; begun, recorded, wrapped, handed on."""

from orchestration.session.checkpoint import Checkpoint, checkpoint, rollback
from orchestration.session.handoff import handoff
from orchestration.session.publishing import commit_by_hand
from orchestration.session.start import NothingReadyError, Started, abandon, abandon_stale, find, open_by_hand, start
from orchestration.session.wrap import wrap
from orchestration.session.wrapping import Wrapping

__all__ = [
    "Checkpoint", "NothingReadyError", "Started", "Wrapping", "abandon", "abandon_stale", "checkpoint",
    "commit_by_hand", "find", "handoff", "open_by_hand", "rollback", "start", "wrap",
]  # fmt: skip
