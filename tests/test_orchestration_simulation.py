"""The real loop over simulated months: nothing lost, doubled, overspent, passed over, or idle for nothing."""

import time
from collections import Counter
from pathlib import Path

import pytest
from simulated import simulated
from simulated_load import busy
from simulated_many import many

SEEDS, DAYS = 20, 90
MANY = 2_000


@pytest.mark.parametrize("seed", range(SEEDS))
def test_ninety_days_across_a_change_of_the_clocks_break_no_rule(seed: int, tmp_path: Path) -> None:
    happened = simulated(seed, tmp_path, days=DAYS)
    assert happened["units"] > 300


@pytest.mark.parametrize("seed", range(3))
def test_near_capacity_no_task_waits_beyond_what_goes_before_it(seed: int, tmp_path: Path) -> None:
    happened = busy(seed, tmp_path, days=40)
    assert happened["waited more than a day"] > 10, "the load was no load"


@pytest.mark.torture
def test_ninety_days_two_thousand_times() -> None:
    total: Counter[str] = Counter()
    began, broken = time.perf_counter(), []
    for result in many(list(range(MANY)), days=DAYS, workers=2):
        total += Counter(result["happened"])
        broken += [result] if result["error"] else []
    print(f"{MANY:,} seeds, {time.perf_counter() - began:,.0f} s:", dict(total))
    assert broken == []
