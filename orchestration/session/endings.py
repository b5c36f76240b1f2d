"""Why a session's work stopped, in; how it ended and what becomes of its task, out."""

from __future__ import annotations

import errno
import re
from dataclasses import dataclass

from etl.errors import DiskFullError, MotherlodeError, RateLimitedError, StoreError, StoreLockedError
from orchestration.control import Claim, Control, holding
from orchestration.control.holding import QUOTA_FULL, RATE_LIMITED
from orchestration.control.inputs import ranged, session_numbers
from orchestration.control.standing import Missing
from orchestration.control.task import fetch
from orchestration.quota import BANDS, WRAP, Quota, Refusal

WRAPPED_BY_HAND, THRESHOLD, DONE, PARTIAL, HARD_STOPPED, FAILED, INTERRUPTED = (
    "by_hand", "threshold", "done", "partial", "hard_stop", "failed", "interrupted",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Ending:
    """How a session's work ended; `reason` and `wait_s` for one that failed. `stop`: mining ends with it."""

    how: str
    why: str
    reason: str = ""
    wait_s: float | None = None
    stop: bool = False


def done(control: Control, claim: Claim, missing: Missing) -> Ending:
    """The job has no further unit: the task is done, or all that is there of its input."""
    task = fetch(control, claim.task)
    if not task.units:  # such as a file that is still being written
        return Ending(FAILED, "nothing could be done yet", "nothing_done")
    if (lacking := missing(task)) is not None:
        whole = len(session_numbers(task.parameters["sessions"])) if ranged(task) else 0
        holding.progress(control, claim, done=task.done, total=max(whole, task.done + 1), units=0)
        return Ending(PARTIAL, lacking)
    if task.done:
        holding.progress(control, claim, done=task.done, total=task.done, units=0)
    return Ending(DONE, "the task is done")


def at_a_limit(quota: Quota, agent: str | None, how: str, why: str, worked: int, refused: Refusal | None) -> Ending:
    """A limit stopped it. A session that could not do one unit waits for the limit to reset, so that it does not
    spin."""
    if worked:
        return Ending(how, why)
    full = [each for each in quota.standings(agent=agent) if BANDS.index(each.band) >= BANDS.index(WRAP)]
    until = None if refused is None else refused.until
    resets = [at for at in (until, *(each.resets for each in full)) if at is not None]
    wait = max(0.0, (min(resets) - quota.control.now()).total_seconds()) if resets else None
    return Ending(FAILED, why, "quota" if refused is None or refused.never else QUOTA_FULL, wait)


def died_of(control: Control, claim: Claim, error: Exception) -> Ending:
    """A unit failed, and was rolled back: the task's fault, its provider's, or that of the world outside."""
    if outside := of_the_outside(error):  # save and go
        return Ending(INTERRUPTED, f"{outside.replace('_', ' ')}: {error}", outside, stop=True)
    if isinstance(error, RateLimitedError):
        return Ending(FAILED, control.redactor.clean(str(error)), RATE_LIMITED, error.retry_after_s)
    # only our own messages are known to hold no text of a pair
    own = isinstance(error, MotherlodeError)
    why = control.redactor.clean(str(error)) if own else f"{type(error).__name__} in a unit"
    holding.unit_failed(control, claim, why)
    return Ending(FAILED, why, re.sub(r"(?<!^)(?=[A-Z])", "_", type(error).__name__.removesuffix("Error")).lower())


def of_the_outside(error: BaseException) -> str | None:
    """The name of a trouble that no task is to blame for: store_locked, disk_full, read_only; None for all others."""
    if isinstance(error, StoreLockedError):
        return "store_locked"
    number = error.errno if isinstance(error, OSError) else None
    if isinstance(error, DiskFullError) or number in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)):
        return "disk_full"
    if number == errno.EROFS or (isinstance(error, StoreError) and "read-only" in str(error).lower()):
        return "read_only"
    return None
