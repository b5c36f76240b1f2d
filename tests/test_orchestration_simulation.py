"""The real loop over simulated weeks: nothing lost, doubled, overspent, passed over, or idle for nothing."""

import time
from collections import Counter
from pathlib import Path

import pytest
from simulated import simulated

SEEDS, DAYS = 20, 20
MANY, LONG = 2_000, 90


@pytest.mark.parametrize("seed", range(SEEDS))
def test_twenty_days_break_no_rule(seed: int, tmp_path: Path) -> None:
    happened = simulated(seed, tmp_path, days=DAYS)
    assert happened["units"] > 30


@pytest.mark.torture
def test_ninety_days_two_thousand_times(tmp_path: Path) -> None:
    total: Counter[str] = Counter()
    began = time.perf_counter()
    for seed in range(MANY):
        total += simulated(seed, tmp_path / str(seed), days=LONG)
    print(f"{MANY:,} seeds, {time.perf_counter() - began:,.0f} s:", dict(total))
