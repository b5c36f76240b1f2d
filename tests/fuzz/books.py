"""A target's row in; the results file with it out, and on which state of the parsers, by which versions, where."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import Any

from filelock import FileLock

ROOT = Path(__file__).resolve().parents[2]
_LIBRARIES = ("atheris", "chardet", "ftfy", "msgspec", "polars", "pyarrow", "PyYAML")


def record(file: Path, row: dict[str, Any]) -> None:
    """Put one target's row in place of its former one; several processes may write to one file."""
    with FileLock(f"{file}.lock"):
        known = json.loads(file.read_text(encoding="utf-8"))["targets"] if file.exists() else []
        rest = [one for one in known if one["target"] != row["target"]]
        made = {"python": platform.python_version()} | {name: version(name) for name in _LIBRARIES}
        rows = sorted([*rest, row | {"sources": state(row["target"])}], key=lambda one: str(one["target"]))
        text = json.dumps({"machine": f"{os.cpu_count()} CPUs", "versions": made, "targets": rows}, indent=1)
        file.write_text(text + "\n", encoding="utf-8")
    Path(f"{file}.lock").unlink(missing_ok=True)


def state(target: str) -> str:
    """12 hex digits of sha256 over the files of ours that the target's seeds run through: equal means that not a letter
    of them has changed."""
    from targets import TARGETS

    files: set[str] = set()

    def note(frame: FrameType, _event: str, _argument: object) -> None:
        files.add(frame.f_code.co_filename)

    for one in TARGETS.values():
        one.run(one.seeds[0])  # imports that functions make are over, and caches are warm
    for seed in TARGETS[target].seeds:
        sys.setprofile(note)
        try:
            TARGETS[target].run(seed)
        finally:
            sys.setprofile(None)
    ours = sorted(file for file in map(Path, files) if file.is_relative_to(ROOT / "etl"))
    digest = hashlib.sha256()
    for file in ours:
        digest.update(file.relative_to(ROOT).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()[:12]
