"""Quotas: bands, calendars with daylight saving, admission by percentile, the meter's stops, and the commands."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.errors import HardStop, SettingsError
from etl.progress import Meter
from orchestration import tasks
from orchestration.cli import run
from orchestration.control import Control, books, claims, sessions
from orchestration.control.books import For
from orchestration.quota import BANDS, Limit, PanicStop, Quota, Refusal
from orchestration.quota.calendar import window
from orchestration.quota.display import bar
from orchestration.settings import Settings, load
from orchestration.tasks import Spec


class Clock:
    def __init__(self) -> None:
        self.at = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def control(clock: Clock) -> Control:
    return Control.open(":memory:", now=clock)


CALLS = Limit("calls", "calls", 1_000, per="day")
TOKENS = Limit("tokens", "tokens", 200_000)
SLOTS = Limit("slots", "slots", 10, per="concurrent", wrap=0.9, hard_stop=0.95, panic=1.0)


@pytest.mark.parametrize(
    ("used", "band"),
    [
        (0, "healthy"), (149_999, "healthy"), (150_000, "warning"), (169_999, "warning"), (170_000, "wrap"),
        (179_999, "wrap"), (180_000, "hard_stop"), (189_999, "hard_stop"), (190_000, "panic"), (300_000, "panic"),
    ],
)  # fmt: skip
def test_each_band_begins_exactly_at_its_bound(used: float, band: str) -> None:
    assert TOKENS.band(used) == band


def test_slots_wrap_at_nine_of_ten() -> None:
    assert [SLOTS.band(n) for n in (7, 8, 9, 10)] == ["healthy", "warning", "wrap", "panic"]


def test_sums_of_fractions_reach_their_band() -> None:
    dollars = Limit("dollars", "dollars", 1.0, per="day")
    assert dollars.band(sum([0.001] * 850)) == "wrap"


PACIFIC = "America/Los_Angeles"


@pytest.mark.parametrize(
    ("zone", "reset", "now", "start", "hours"),
    [
        ("UTC", time(0), "2026-03-01T12:00", "2026-03-01T00:00", 24),
        ("UTC", time(0), "2026-03-01T00:00", "2026-03-01T00:00", 24),
        ("UTC", time(17, 30), "2026-03-01T12:00", "2026-02-28T17:30", 24),
        (PACIFIC, time(0), "2026-03-01T07:59", "2026-02-28T08:00", 24),
        (PACIFIC, time(0), "2026-03-08T20:00", "2026-03-08T08:00", 23),  # clocks go forward
        (PACIFIC, time(0), "2026-11-01T20:00", "2026-11-01T07:00", 25),  # clocks go back
        (PACIFIC, time(2, 30), "2026-03-08T12:00", "2026-03-08T10:30", 23),  # 02:30 does not exist that day
        (PACIFIC, time(1, 30), "2026-11-01T12:00", "2026-11-01T08:30", 25),  # 01:30 comes twice
        ("Asia/Kolkata", time(0), "2026-03-01T18:29", "2026-02-28T18:30", 24),
        ("Pacific/Apia", time(0), "2011-12-30T12:00", "2011-12-30T10:00", 24),  # a zone that skipped a day
    ],
)
def test_a_day_follows_the_providers_calendar(zone: str, reset: time, now: str, start: str, hours: int) -> None:
    found = window("day", reset, zone, datetime.fromisoformat(now).replace(tzinfo=UTC))
    assert found.start == datetime.fromisoformat(start).replace(tzinfo=UTC)
    assert found.end is not None
    assert found.end - found.start == timedelta(hours=hours)


@given(
    now=st.datetimes(datetime(2010, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC)),
    zone=st.sampled_from(["UTC", PACIFIC, "Europe/Berlin", "Australia/Lord_Howe", "Africa/Casablanca", "Pacific/Apia"]),
    reset=st.times(),
    per=st.sampled_from(["day", "month"]),
)
@settings(deadline=None, max_examples=300)
def test_windows_cover_time_without_gap_or_overlap(now: datetime, zone: str, reset: time, per: str) -> None:
    reset = reset.replace(second=0, microsecond=0)
    found = window(per, reset, zone, now)
    assert found.start is not None
    assert found.end is not None
    assert found.start <= now < found.end
    assert window(per, reset, zone, found.start) == found
    assert window(per, reset, zone, found.end).start == found.end
    assert window(per, reset, zone, found.end - timedelta(microseconds=1)) == found


def test_a_month_begins_on_its_first_day() -> None:
    found = window("month", time(0), "UTC", datetime(2026, 12, 31, 23, 59, tzinfo=UTC))
    assert (found.start, found.end) == (datetime(2026, 12, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))


def test_the_daily_counter_survives_a_restart_and_resets_with_the_day(tmp_path: Path, clock: Clock) -> None:
    with Control.open(tmp_path, now=clock) as control:
        books.observe(control, "calls", 850)
    with Control.open(tmp_path, now=clock) as control:
        quota = Quota(control, [CALLS])
        standing = quota.standing(CALLS)
        assert (standing.spent, standing.band) == (850, "wrap")
        assert standing.resets == datetime(2026, 3, 2, tzinfo=UTC)
        clock.at = datetime(2026, 3, 2, tzinfo=UTC)
        assert quota.standing(CALLS).spent == 0


def test_midnight_pacific_resets_on_a_day_of_23_hours(control: Control, clock: Clock) -> None:
    gemini = Limit("gemini", "calls", 100, per="day", zone=PACIFIC)
    quota = Quota(control, [gemini])
    clock.at = datetime(2026, 3, 8, 0, 30, tzinfo=ZoneInfo(PACIFIC))
    books.observe(control, "calls", 60)
    clock.at = datetime(2026, 3, 8, 23, 59, tzinfo=ZoneInfo(PACIFIC))
    assert quota.standing(gemini).spent == 60
    clock.at = clock.at.astimezone(UTC) + timedelta(minutes=1)
    assert quota.standing(gemini).spent == 0


def test_an_agent_with_a_limit_of_its_own_is_counted_apart(control: Control) -> None:
    zai = Limit("calls_zai", "calls", 5_000, per="day", agent="zai")
    quota = Quota(control, [CALLS, zai])
    books.observe(control, "calls", 4_000, about=For(agent="zai"))
    books.observe(control, "calls", 100, about=For(agent="droid"))
    books.observe(control, "calls", 10)
    assert [(s.limit.name, s.spent) for s in quota.standings(agent="zai")] == [("calls_zai", 4_000)]
    assert [(s.limit.name, s.spent) for s in quota.standings(agent="droid")] == [("calls", 110)]


def test_a_sessions_limit_counts_that_session_only(control: Control, clock: Clock) -> None:
    quota = Quota(control, [TOKENS, Limit("hours", "hours", 8)])
    one = sessions.begin(control).name
    clock.at += timedelta(hours=7)
    other = sessions.begin(control).name
    books.observe_total(control, "tokens", 85_000, session=one)
    assert [round(s.share, 3) for s in quota.standings(session=one)] == [0.425, 0.875]
    assert [s.share for s in quota.standings(session=other)] == [0, 0]
    assert [s.share for s in quota.standings()] == [0, 0]


def unit(control: Control, kind: str, cost: float, resource: str = "calls") -> None:
    number = books.observe(
        control, resource, cost, about=For(kind=kind, session="past"), spent_at=datetime(2026, 1, 1, tzinfo=UTC)
    )
    books.reconcile(control, number)


def test_a_unit_is_admitted_by_the_95th_percentile_of_its_kind(control: Control) -> None:
    quota = Quota(control, [CALLS])
    for cost in range(1, 101):
        unit(control, "research", cost)
    assert quota.unit_cost("research", "calls", declared=5) == 95
    books.observe(control, "calls", 755)
    held = quota.admit(For(kind="research"), {})
    assert isinstance(held, dict)  # 755 + 95 = 850
    assert books.held(control, "calls") == 95
    refused = quota.admit(For(kind="research"), {})
    assert isinstance(refused, Refusal)
    assert refused.until == datetime(2026, 3, 2, tzinfo=UTC)
    assert "a unit needs 95 calls, 0 are left of the 850 for work" in refused.why


def test_the_declared_estimate_counts_while_there_is_little_history(control: Control) -> None:
    quota = Quota(control, [CALLS])
    assert quota.unit_cost("new", "calls") is None
    assert quota.unit_cost("new", "calls", declared=100) == 100
    for _ in range(4):
        unit(control, "new", 10)
    assert quota.unit_cost("new", "calls", declared=100) == 100
    unit(control, "new", 120)
    assert quota.unit_cost("new", "calls", declared=100) == 120
    for _ in range(40):
        unit(control, "new", 10)
    assert quota.unit_cost("new", "calls", declared=100) == 10


def test_a_full_day_does_not_keep_back_work_that_needs_none_of_it(control: Control) -> None:
    quota = Quota(control, [CALLS])
    books.observe(control, "calls", 899)
    tasks.add(control, Spec("paid", priority=1, kind="command", parameters={"command": "x"}, estimate={"calls": 1}))
    tasks.add(control, Spec("free", priority=2, kind="command", parameters={"command": "x"}))
    claim = claims.claim(control, holder="h", refuse=quota.refuse)
    assert claim is not None
    assert claim.task == "free"
    held = tasks.explain(control, "paid", quotas=quota.holds)
    assert (held.holds[0].what, held.earliest) == ("quota", datetime(2026, 3, 2, tzinfo=UTC))


def test_a_unit_that_never_fits_says_so(control: Control) -> None:
    refused = Quota(control, [CALLS]).admit(For(), {"calls": 851})
    assert isinstance(refused, Refusal)
    assert "never fits" in refused.why
    assert refused.until is None


def test_nine_slots_are_given_out_and_the_tenth_is_kept(control: Control) -> None:
    quota = Quota(control, [SLOTS])
    meters = [quota.meter(kind="batch", declared={"slots": 1}) for _ in range(10)]
    refused = [meter.begin_unit() for meter in meters]
    assert [r is None for r in refused] == [True] * 9 + [False]
    for meter in meters[:9]:
        meter.spend("slots")  # what was admitted
    meters[0].end_unit()
    assert meters[9].begin_unit() is None
    assert quota.standing(SLOTS).used == 9
    for meter in meters:
        meter.end_unit()
    assert quota.standing(SLOTS).used == 0
    assert quota.unit_cost("batch", "slots") == 1


def test_the_meter_is_a_meter_and_stops_before_the_hard_stop(control: Control) -> None:
    quota = Quota(control, [CALLS])
    meter: Meter = (quoted := quota.meter(kind="k"))
    assert quoted.begin_unit("first") is None
    meter.spend("calls", 899)
    with pytest.raises(HardStop, match=r"900 of 1,000 calls would be 90.0%"):
        meter.spend("calls", 1)
    assert books.spent(control, "calls") == 899  # the call that was not made is not booked
    assert quoted.band() == "wrap"
    meter.spend("texts", 64)  # nothing limits them, but the books know
    quoted.end_unit()
    assert books.spent(control, "texts") == 64


def test_once_a_wrap_has_begun_only_panic_stops_it(control: Control) -> None:
    quota = Quota(control, [TOKENS])
    session = sessions.begin(control).name
    meter = quota.meter(session=session)
    meter.spend("tokens", 179_000)
    with pytest.raises(HardStop):
        meter.spend("tokens", 2_000)
    meter.begin_wrap()
    meter.spend("tokens", 10_000)
    with pytest.raises(PanicStop):
        meter.spend("tokens", 1_000)
    assert issubclass(PanicStop, HardStop)
    assert meter.band() == "hard_stop"


def test_a_unit_that_costs_more_than_it_held_meets_what_others_hold(control: Control) -> None:
    quota = Quota(control, [CALLS])
    greedy, modest = quota.meter(kind="k", declared={"calls": 100}), quota.meter(kind="k", declared={"calls": 700})
    assert greedy.begin_unit() is None
    assert modest.begin_unit() is None
    greedy.spend("calls", 199)
    with pytest.raises(HardStop):
        greedy.spend("calls", 1)
    for _ in range(7):
        modest.spend("calls", 100)  # what was admitted is there
    assert books.spent(control, "calls") == 899


def test_better_figures_replace_the_meters(control: Control) -> None:
    meter = Quota(control, [TOKENS]).meter(session="s", kind="k")
    meter.begin_unit()
    meter.spend("tokens", 500)
    meter.end_unit({"tokens": 430})
    assert books.spent(control, "tokens", session="s") == 430


@given(
    costs=st.lists(st.tuples(st.integers(0, 2), st.integers(1, 120)), max_size=60),
    estimate=st.integers(1, 200),
)
@settings(deadline=None, max_examples=60)
def test_whatever_units_cost_no_hard_stop_is_passed(costs: list[tuple[int, int]], estimate: int) -> None:
    at = datetime(2026, 3, 1, 12, tzinfo=UTC)
    with Control.open(":memory:", now=lambda: at) as control:
        quota = Quota(control, [CALLS])
        meters = [quota.meter(kind="k", declared={"calls": float(estimate)}) for _ in range(3)]
        for who, cost in costs:
            if meters[who].begin_unit() is not None:
                continue
            try:
                meters[who].spend("calls", cost)
            except HardStop:
                meters[who].end_unit()
            assert books.spent(control, "calls") < 900
        standing = quota.standing(CALLS)
        assert standing.held == pytest.approx(
            sum(max(0, r[0]) for r in control.rows("SELECT max(0, reserved - observed) FROM holds"))
        )


def test_the_limits_of_the_settings_are_the_users(tmp_path: Path) -> None:
    control = Control.open(":memory:")
    quota = Quota.from_settings(control, Settings())
    assert {limit.name: limit.amount for limit in quota.limits} == {
        "tokens": 200_000, "calls": 1_000, "calls_zai": 5_000, "slots": 10, "hours": 8, "dollars": 1,
    }  # fmt: skip
    file = tmp_path / "etl.toml"
    file.write_text(
        '[quota.calls]\nlimit = 50\nzone = "America/Los_Angeles"\n'
        '[quota.pages]\nlimit = 7\nper = "total"\nwrap = 0.8\n',
        encoding="utf-8",
    )
    found = {limit.name: limit for limit in Quota.from_settings(control, load(file)).limits}
    assert (found["calls"].amount, found["calls"].per, found["calls"].zone) == (50, "day", PACIFIC)
    assert (found["pages"].resource, found["pages"].work, found["tokens"].amount) == (
        "pages",
        pytest.approx(5.6),
        200_000,
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[quota.calls]\nzone = "Moon/Base"', "no time zone 'Moon/Base'"),
        ("[quota.calls]\nwrap = 0.5", "must rise"),
        ("[quota.calls]\nlimit = 0", "quota"),
        ("[quota.mine]\nper = 'day'", "limit"),
        ('[quota.calls]\nreset = "25:00"', "quota"),
        ("quota = 5", "quota"),
    ],
)
def test_a_mistake_in_a_quota_is_named(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "etl.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=told):
        Quota.from_settings(Control.open(":memory:"), load(file))


def test_a_bar_shows_use_and_bounds() -> None:
    assert bar(TOKENS, 0, width=20) == "[-----------------|||]"
    assert bar(TOKENS, 100_000, width=20) == "[##########-------|||]"
    assert bar(TOKENS, 900_000, width=20) == "[####################]"


Call = Callable[..., tuple[int, str]]


@pytest.fixture
def call(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Call:
    def call_(*arguments: object) -> tuple[int, str]:
        code = run([*map(str, arguments), "-w", str(tmp_path)])
        return code, capsys.readouterr().out

    return call_


@pytest.mark.parametrize(
    ("used", "band", "advice", "code"),
    [
        (85_000, "healthy", "keep working", 0),
        (160_000, "warning", "wrap", 0),
        (172_000, "wrap", "finish the open unit", 4),
        (185_000, "hard_stop", "roll back", 4),
        (199_000, "panic", "at once", 4),
    ],
)
def test_etl_tokens_says_what_a_figure_means(call: Call, used: int, band: str, advice: str, code: int) -> None:
    text = call("tokens", used)
    assert text[0] == 0
    assert advice in text[1]
    assert len(text[1]) < 120
    told = call("tokens", used, "--check", "--json")
    assert told[0] == code
    assert (json.loads(told[1])["band"], json.loads(told[1])["limit"]) == (band, 200_000)


def test_etl_quota_shows_every_limit_and_check_exits_4_from_wrap_on(call: Call, tmp_path: Path) -> None:
    code, out = call("quota", "--check")
    assert code == 0
    assert not (tmp_path / "control.db").exists()
    assert max(map(len, out.splitlines())) <= 80
    with Control.open(tmp_path) as control:
        session = sessions.begin(control, agent="claude").name
        books.observe_total(control, "tokens", 170_000, session=session, about=For(agent="claude"))
    assert call("quota", "--check")[0] == 0  # nobody's session
    code, out = call("quota", "--check", "--agent", "claude")
    assert code == 4
    assert "finish the open unit, then wrap" in out
    code, out = call("quota", "--check", "--session", session, "--json")
    data = json.loads(out)
    assert (code, data["band"], data["quotas"][0]["used"]) == (4, "wrap", 170_000)
    assert call("quota", "--session", "absent")[0] == 1


def test_the_agent_may_come_from_the_environment(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ETL_AGENT", "zai")
    data = json.loads(call("quota", "--json")[1])
    assert (data["agent"], "calls_zai" in {q["quota"] for q in data["quotas"]}) == ("zai", True)


def test_watch_follows_until_it_is_interrupted(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[float] = []

    def sleep(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr("orchestration.cli.quotas.time.sleep", sleep)
    code, out = call("quota", "--watch", "--every", 0.5)
    assert (code, looks) == (0, [0.5] * 3)
    assert out.count("keep working") >= 3


def test_bands_are_named_from_mild_to_severe() -> None:
    assert BANDS == ("healthy", "warning", "wrap", "hard_stop", "panic")
