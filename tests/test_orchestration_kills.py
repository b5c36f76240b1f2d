"""Killed at any named point, the same command goes on: nothing lost, nothing doubled, the same release."""

import hashlib
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from etl.store import Store
from orchestration.checks import store_checks

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples" / "deliveries"
KILLER = Path(__file__).parent / "killer.py"

pytestmark = pytest.mark.skipif(os.name != "posix", reason="SIGKILL is a POSIX signal")

POINTS = [
    "ingest:inside:1",
    "ingest:committed:1",
    "ingest:after:1",
    "assess:inside:1",
    "assess:after:1",
    "embed:inside:1",
    "embed:committed:1",
    "link:inside:3",
    "link:inside:1",
    "link:after:1",
    "resolve:inside:1",
    "audit:committed:1",
    "split:inside:1",
    "export:inside:1",
    "export:committed:1",
    "export:after:1",
    "report:inside:1",
    "etl.store.snapshot.copy:after:1",
    "etl.store.snapshot._verify_copy:after:1",
    "etl.store.snapshot._write_sheet:before:1",
]


def etl(root: Path, point: str | None = None) -> int:
    """One `etl run` over the examples in a process of its own, killed at a point if one is given."""
    arguments = ["run", str(EXAMPLES), "--model", "hash", "--quiet", "-w", str(root)]
    command = [sys.executable, str(KILLER), point, "--"] if point else [sys.executable, "-m", "orchestration"]
    return subprocess.run([*command, *arguments], cwd=ROOT, capture_output=True, check=False).returncode


def release(root: Path) -> dict[str, str]:
    """Every file of the newest release by its sha256; of the manifest, all but its time."""
    latest = json.loads((root / "exports" / "latest.json").read_text(encoding="utf-8"))
    folder = root / "exports" / latest["version"]
    files = {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir() if p.name != "manifest.json"}
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    return files | {"manifest": json.dumps(manifest | {"created": ""}, sort_keys=True)}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    root = tmp_path_factory.mktemp("undisturbed") / "ws"
    assert etl(root) == 0
    return release(root)


@pytest.mark.parametrize("point", POINTS)
def test_a_killed_run_goes_on_to_the_same_release(point: str, tmp_path: Path, undisturbed: dict[str, str]) -> None:
    root = tmp_path / "ws"
    assert etl(root, point) == -9, f"the run was never at {point}"
    assert etl(root) == 0
    assert release(root) == undisturbed
    assert [p.name for p in (root / "exports").iterdir() if p.is_dir()] == ["v0001"]
    with Store.open(root, write=True) as store:
        assert [c for c in store_checks(store) if not c.ok] == []


@pytest.mark.torture
@pytest.mark.parametrize("seed", range(40))
def test_a_run_killed_again_and_again_at_random_ends_in_the_same_release(
    seed: int, tmp_path: Path, undisturbed: dict[str, str]
) -> None:
    rng, root = random.Random(seed), tmp_path / "ws"
    for _ in range(200):
        command = [sys.executable, "-m", "orchestration", "run", str(EXAMPLES), "--model", "hash", "-w", str(root)]
        child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(rng.uniform(0.2, 3.0))
        child.kill()
        if child.wait() == 0:
            break
    assert etl(root) == 0
    assert release(root) == undisturbed
    with Store.open(root, write=True) as store:
        assert [c for c in store_checks(store) if not c.ok] == []
