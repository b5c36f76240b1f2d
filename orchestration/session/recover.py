"""What a killed driver left behind, in; books that say what the ledger says, and nothing held by the dead, out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from filelock import FileLock, Timeout

from orchestration.control import Control, claims, sessions
from orchestration.control.sessions import DIED, WRAPPED, WRAPPING, Session
from orchestration.session.handoff import write as write_handoff
from orchestration.session.publishing import UNPUBLISHED, record, snapshot, unpublished
from orchestration.session.settling import settle, withdraw
from orchestration.session.start import claim_of
from orchestration.session.works import Works
from orchestration.session.wrap import wrap
from orchestration.session.wrapping import Wrapping

FOLDER = ".sessions"
LONG_AGO = "2000-01-01T00:00:00.000000Z"


@contextmanager
def alive(root: Path, session: str) -> Iterator[None]:
    """Be seen to live for as long as the block runs: the system drops the lock with the process, however it ends."""
    folder = root / FOLDER
    folder.mkdir(exist_ok=True)
    lock = FileLock(folder / f"{session}.lock", thread_local=False)
    with lock.acquire(timeout=0):
        yield
    with suppress(OSError):
        (folder / f"{session}.lock").unlink()


def recover(control: Control, works: Works, wrapping: Wrapping) -> list[str]:
    """Release what died; returns the sessions that were mended. `wrapping` is the pattern for their wraps.

    Units that were committed and not booked are booked from the ledger. A wrap cut short goes on with its next step, an
    open session is closed as died, and its task can be claimed at once.
    """
    claims.seed_tokens(control, works.tokens())
    withdraw(control, works)
    mended = []
    for row in control.rows(
        f"""
        SELECT session FROM sessions
        WHERE mode = 'driven' AND (state IN ('open', 'wrapping') OR {UNPUBLISHED}) ORDER BY started
        """
    ):
        name = row["session"]
        try:
            with alive(control.root, name):
                session = sessions.get(control, name)
                if session.state in (sessions.OPEN, WRAPPING) or unpublished(session):
                    _mend(control, works, wrapping, session)
                    mended.append(name)
        except Timeout:  # its driver lives
            continue
    settle(control, works)
    return mended


def _mend(control: Control, works: Works, wrapping: Wrapping, session: Session) -> None:
    claim = claim_of(control, session)
    settle(control, works, session=session)
    if session.state in (WRAPPING, WRAPPED) or "ending" in session.journal:
        works.close()
        wrap(replace(wrapping, name=session.name))
        return
    with control.transaction() as con:
        con.execute(
            "UPDATE leases SET heartbeat = ? WHERE task = ? AND token = ? AND lease_s IS NOT NULL",
            (LONG_AGO, claim.task, claim.token),
        )
        sessions.update(control, session.name, state=DIED, journal={"ending": {"why": "its process died"}})
    write_handoff(control, session.name, root=control.root)
    works.close()
    mine = replace(wrapping, name=session.name)
    snapshot(mine)
    record(mine, "recovered, its process died", mark=f"Motherlode-Recovered: {session.name}")
