"""The control store: claims are atomic, tokens only grow, the dead are replaced, the ledger cannot be changed."""

import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from etl.errors import (
    FencedOffError,
    NotFoundError,
    SettingsError,
    StoreDamagedError,
    StoreLockedError,
    StoreVersionError,
)
from orchestration import tasks
from orchestration.control import Control, books, claims, holding, sessions
from orchestration.control.migrate import Migration, migrate, statements
from orchestration.tasks import Spec


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.at = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at

    def move(self, **span: float) -> None:
        self.at += timedelta(**span)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def control(tmp_path: Path, clock: Clock) -> Control:
    return Control.open(tmp_path, now=clock)


def names(control: Control, event: str) -> list[str | None]:
    return [found["task"] for found in control.events(event=event)]


def test_the_next_ready_task_is_claimed_by_priority_then_age(control: Control, clock: Clock) -> None:
    for name, priority in (("late", 2), ("later", 2), ("first", 1)):
        tasks.add(control, Spec(name, priority=priority))
        clock.move(seconds=1)
    order = [claim.task for _ in range(3) if (claim := claims.claim(control, holder="me"))]
    assert order == ["first", "late", "later"]
    assert claims.claim(control, holder="me") is None


def test_a_dead_holders_task_is_taken_over_with_a_higher_token_and_the_dead_one_is_fenced_off(
    control: Control, clock: Clock
) -> None:
    tasks.add(control, Spec("one"))
    dead = claims.claim(control, holder="dead", lease_s=60)
    assert dead is not None
    clock.move(seconds=61)
    heir = claims.claim(control, holder="heir")
    assert heir is not None
    assert heir.token > dead.token
    for call in (
        lambda: holding.heartbeat(control, dead),
        lambda: holding.progress(control, dead, done=1),
        lambda: holding.complete(control, dead),
        lambda: holding.release(control, dead),
    ):
        with pytest.raises(FencedOffError, match="heir holds it now"):
            call()
    assert names(control, "lease_expired") == ["one"]
    assert heir.fence().token == heir.token


def test_a_heartbeat_keeps_a_long_unit_from_being_taken_over(control: Control, clock: Clock) -> None:
    tasks.add(control, Spec("long"))
    claim = claims.claim(control, holder="alive", lease_s=60)
    assert claim is not None
    for _ in range(5):
        clock.move(seconds=59)
        holding.heartbeat(control, claim)
        assert claims.claim(control, holder="thief") is None


def test_what_is_held_by_hand_needs_no_heartbeat(control: Control, clock: Clock) -> None:
    tasks.add(control, Spec("by_hand"))
    claim = claims.claim(control, holder="person", lease_s=None)
    assert claim is not None
    clock.move(days=30)
    assert claims.claim(control, holder="thief") is None
    holding.progress(control, claim, done=1)


def test_a_clock_set_back_does_not_lock_a_task_for_ever(control: Control, clock: Clock) -> None:
    tasks.add(control, Spec("one"))
    assert claims.claim(control, holder="before", lease_s=60)
    clock.move(days=-2)
    assert claims.claim(control, holder="after") is not None


def test_after_three_deaths_a_task_is_parked_with_its_reason_and_a_notice(control: Control, clock: Clock) -> None:
    tasks.add(control, Spec("deadly"))
    for _ in range(3):
        assert claims.claim(control, holder="victim", lease_s=10)
        clock.move(seconds=11)
    assert claims.claim(control, holder="victim") is None
    task = tasks.fetch(control, "deadly")
    assert (task.status, task.reason, task.attempts) == ("parked", "holder_died", 3)
    assert "parked" in control.events(event="notice")[0]["detail"]["text"]
    assert tasks.retry(control, "deadly").status == "ready"
    assert claims.claim(control, holder="victim") is not None


def test_a_task_that_gets_on_is_not_parked_for_earlier_deaths(control: Control, clock: Clock) -> None:
    tasks.add(control, Spec("slow", total=10))
    for done in range(1, 8):
        claim = claims.claim(control, holder="h", lease_s=10)
        assert claim is not None
        holding.progress(control, claim, done=done)
        clock.move(seconds=11)
    assert tasks.fetch(control, "slow").status == "running"


def test_a_failed_attempt_waits_longer_each_time_and_the_third_parks(control: Control, clock: Clock) -> None:
    tasks.add(control, Spec("flaky"))
    for wait in (60, 120):
        claim = claims.claim(control, holder="h")
        assert claim is not None
        assert holding.fail(control, claim, "unit_failed", "boom") == "waiting"
        clock.move(seconds=wait - 1)
        assert claims.claim(control, holder="h") is None
        clock.move(seconds=1)
    claim = claims.claim(control, holder="h")
    assert claim is not None
    assert holding.fail(control, claim, "unit_failed", "boom") == "parked"
    assert tasks.fetch(control, "flaky").detail == "boom"


def test_what_would_fail_the_same_way_again_is_not_retried(control: Control) -> None:
    tasks.add(control, Spec("wrong"))
    claim = claims.claim(control, holder="h")
    assert claim is not None
    assert holding.fail(control, claim, "bad_options", retry=False) == "failed"
    assert names(control, "notice") == ["wrong"]


def test_a_clean_release_is_no_failed_attempt(control: Control) -> None:
    tasks.add(control, Spec("long"))
    for _ in range(10):
        claim = claims.claim(control, holder="h")
        assert claim is not None
        holding.release(control, claim)
    assert tasks.fetch(control, "long").status == "ready"


def test_a_token_survives_the_removal_of_its_task(control: Control) -> None:
    tasks.add(control, Spec("one"))
    first = claims.claim(control, holder="h")
    assert first is not None
    holding.release(control, first)
    tasks.remove(control, "one")
    tasks.add(control, Spec("one"))
    second = claims.claim(control, holder="h")
    assert second is not None
    assert second.token > first.token


def test_tokens_are_seeded_from_the_store_after_a_loss(control: Control) -> None:
    claims.seed_tokens(control, {"one": 7, "two": 1})
    claims.seed_tokens(control, {"one": 3})
    tasks.add(control, Spec("one"))
    claim = claims.claim(control, holder="h")
    assert claim is not None
    assert claim.token == 8


def test_an_agent_gets_its_own_tasks_and_those_of_nobody(control: Control) -> None:
    tasks.add(control, Spec("zais", priority=1, agent="zai"))
    tasks.add(control, Spec("anyones", priority=2))
    found = claims.claim(control, holder="h")
    assert found is not None
    assert found.task == "anyones"
    with pytest.raises(SettingsError, match="assigned to zai"):
        claims.claim(control, holder="h", task="zais")
    own = claims.claim(control, holder="h", agent="zai")
    assert own is not None
    assert own.task == "zais"
    assert control.value("SELECT count(*) FROM agents WHERE agent = 'zai'") == 1


def test_a_named_task_that_cannot_be_had_says_why(control: Control) -> None:
    tasks.add(control, Spec("a"))
    tasks.add(control, Spec("b", needs=("a",)))
    with pytest.raises(SettingsError, match="needs a"):
        claims.claim(control, holder="h", task="b")
    claims.claim(control, holder="h", session="s1", task="a")
    with pytest.raises(SettingsError, match="held by h"):
        claims.claim(control, holder="other", task="a")
    with pytest.raises(NotFoundError, match="etl task list"):
        claims.claim(control, holder="h", task="zzz")


def test_a_refused_task_lets_the_next_one_pass(control: Control) -> None:
    for number in range(50):
        tasks.add(control, Spec(f"t{number:02}", priority=number))
    taken = claims.claim(control, holder="h", refuse=lambda t: None if t.name == "t45" else "no room")
    assert taken is not None
    assert taken.task == "t45"


def test_history_and_ledger_cannot_be_changed(control: Control) -> None:
    tasks.add(control, Spec("one"))
    claims.claim(control, holder="h")
    books.observe(control, "tokens", 10)
    for sql in (
        "UPDATE usage SET amount = 0",
        "DELETE FROM usage",
        "UPDATE task_events SET event = 'x'",
        "DELETE FROM task_events",
        "UPDATE leases SET token = 0",
        "DELETE FROM leases",
    ):
        with pytest.raises(sqlite3.IntegrityError), control.transaction() as con:
            con.execute(sql)


def test_a_failed_transaction_leaves_nothing(control: Control) -> None:
    with pytest.raises(RuntimeError), control.transaction():
        tasks.add(control, Spec("gone"))
        raise RuntimeError
    assert tasks.listed(control) == []
    assert control.events() == []


def test_a_session_is_found_until_it_ends_and_then_holds_nothing(control: Control, clock: Clock) -> None:
    first = sessions.begin(control, agent="zai")
    second = sessions.begin(control, agent="zai")
    assert (first.name, second.name) == ("session_20260301T120000Z", "session_20260301T120000Z_2")
    assert sessions.current(control, agent="zai") == second
    assert sessions.current(control) is None
    books.reserve(control, "tokens", 50, about=books.For(session=second.name))
    sessions.update(control, second.name, journal={"next": "b", "step": 1})
    clock.move(hours=1)
    ended = sessions.update(control, second.name, state=sessions.WRAPPED, journal={"step": 2})
    assert ended.journal == {"next": "b", "step": 2}
    assert ended.ended == clock.at
    assert books.held(control, "tokens") == 0
    assert sessions.current(control, agent="zai") == first


def test_books_reserve_observe_reconcile(control: Control) -> None:
    about = books.For(task="t", kind="embed", session="s")
    number = books.reserve(control, "calls", 100, about=about)
    assert (books.held(control, "calls"), books.spent(control, "calls")) == (100, 0)
    books.observe(control, "calls", 30, spending=number, about=about)
    assert (books.held(control, "calls"), books.spent(control, "calls")) == (70, 30)
    books.observe(control, "calls", 90, spending=number, about=about)
    assert (books.held(control, "calls"), books.spent(control, "calls")) == (0, 120)
    books.reconcile(control, number, 110)
    books.reconcile(control, number, 5)  # closed is closed
    assert (books.held(control, "calls"), books.spent(control, "calls")) == (0, 110)
    assert books.cost_of(control, "t") == {"calls": 110}
    assert books.unit_costs(control, "embed", "calls") == [110]
    stages = [row["stage"] for row in control.rows("SELECT stage FROM usage ORDER BY id")]
    assert stages == ["reserved", "observed", "observed", "reconciled"]


def test_a_correction_counts_on_the_day_of_what_it_corrects(control: Control, clock: Clock) -> None:
    number = books.observe(control, "calls", 10)
    yesterday = clock.at
    clock.move(days=1)
    books.reconcile(control, number, 4)
    assert books.spent(control, "calls", since=yesterday + timedelta(hours=1)) == 0
    assert books.spent(control, "calls", since=yesterday) == 4


def test_a_total_that_falls_is_refused(control: Control) -> None:
    assert books.observe_total(control, "tokens", 42_000, session="s") == 42_000
    assert books.observe_total(control, "tokens", 60_000, session="s") == 18_000
    with pytest.raises(SettingsError, match="42,100 is less than the 60,000"):
        books.observe_total(control, "tokens", 42_100, session="s")
    assert books.spent(control, "tokens", session="s") == 60_000


def test_a_kill_keeps_what_was_booked_and_frees_what_was_held_but_not_what_runs_at_a_provider(
    control: Control, clock: Clock
) -> None:
    tasks.add(control, Spec("one"))
    claims.claim(control, holder="dead", lease_s=10)
    about = books.For(task="one")
    number = books.reserve(control, "calls", 100, about=about)
    books.observe(control, "calls", 7, spending=number, about=about)
    books.reserve(control, "slots", 1, about=about, source=books.PROVIDER)
    clock.move(seconds=11)
    claims.claim(control, holder="heir")
    assert (books.spent(control, "calls"), books.held(control, "calls")) == (7, 0)
    assert books.held(control, "slots", occupied=True) == 1


def test_an_amount_below_zero_is_refused(control: Control) -> None:
    for amount in (-1, float("nan")):
        with pytest.raises(SettingsError, match="cannot be booked"):
            books.observe(control, "tokens", amount)


def test_a_newer_control_store_is_not_touched(tmp_path: Path) -> None:
    Control.open(tmp_path).close()
    with sqlite3.connect(tmp_path / "control.db") as con:
        con.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreVersionError, match="upgrade"):
        Control.open(tmp_path)


def test_an_older_control_store_is_brought_up_to_date_and_a_copy_kept(tmp_path: Path) -> None:
    file = tmp_path / "old.db"
    con = sqlite3.connect(file, isolation_level=None)
    con.execute("CREATE TABLE t (a)")
    con.execute("INSERT INTO t VALUES (1)")
    con.execute("PRAGMA user_version = 1")
    steps = (Migration(2, "b", "ALTER TABLE t ADD COLUMN b;"), Migration(3, "c", "UPDATE t SET b = 5;\nSELECT 1;"))
    assert [step.number for step in migrate(con, path=file, migrations=steps, newest=3)] == [2, 3]
    assert con.execute("SELECT a, b FROM t").fetchall() == [(1, 5)]
    assert (tmp_path / "old.db.v1").exists()
    with pytest.raises(StoreVersionError, match="no way"):
        migrate(con, path=file, migrations=steps, newest=5)


def test_a_migration_that_fails_changes_nothing(tmp_path: Path) -> None:
    con = sqlite3.connect(tmp_path / "old.db", isolation_level=None)
    con.execute("CREATE TABLE t (a)")
    con.execute("PRAGMA user_version = 1")
    with pytest.raises(sqlite3.OperationalError):
        migrate(con, path=None, migrations=(Migration(2, "x", "ALTER TABLE t ADD COLUMN b;\nNONSENSE;"),), newest=2)
    assert con.execute("PRAGMA user_version").fetchone() == (1,)
    assert [row[1] for row in con.execute("PRAGMA table_info(t)")] == ["a"]


def test_a_trigger_is_one_statement() -> None:
    script = "CREATE TABLE a (b);\nCREATE TRIGGER c AFTER INSERT ON a\nBEGIN\n SELECT 1;\n SELECT 2;\nEND;\n"
    assert len(list(statements(script))) == 2


def test_a_file_that_is_no_database_and_one_that_is_held_are_named(tmp_path: Path) -> None:
    bad = tmp_path / "bad"
    bad.mkdir()
    (bad / "control.db").write_bytes(b"this is no database at all, just text " * 50)
    with pytest.raises(StoreDamagedError, match="damaged"):
        Control.open(bad)
    good = Control.open(tmp_path / "good")
    other = Control.open(tmp_path / "good", wait_s=0.1)
    with good.transaction(), pytest.raises(StoreLockedError, match="held by other"), other.transaction():
        pass
