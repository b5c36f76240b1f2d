"""Every real delivery gives what `expected_deliveries.toml` says, which was counted without any reader."""

import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from etl.read import Reading, read
from etl.read.archive import unpack

TABLE = tomllib.loads(Path(__file__).with_name("expected_deliveries.toml").read_text(encoding="utf-8"))
NOW = [pytest.param(name, said, id=name) for name, said in TABLE.items() if said["now"] and said["container"] != "zip"]
LATER = [pytest.param(name, said, id=name) for name, said in TABLE.items() if not said["now"]]


def _files(folder: Path, name: str) -> Iterator[Path]:
    found = sorted(folder.glob(name)) if "*" in name else [folder / name]
    assert found, name
    yield from found


@pytest.mark.parametrize(("name", "said"), NOW)
def test_what_is_to_be_read_now_is_read_as_counted(name: str, said: dict[str, Any], real_deliveries: Path) -> None:
    rejected: Counter[str] = Counter()
    for path in _files(real_deliveries, name):
        found = read(path)
        if path.name in said.get("files_without_records", []):
            assert found.refusal is not None
            assert found.refusal.reason == "no_records"
        elif "each" in said:
            rejected.update(dict(found.rejects["reason"].value_counts().iter_rows()))
            one = dict(zip(said["each_is"], said["each"][path.name], strict=True))
            _check(found, said | one | {"rejected": None})
        elif said["verdict"] == "refused":
            assert found.refusal is not None
            assert found.refusal.reason in {said["refused"], *said["refused_any"], "tabular"}
        elif found.state not in said.get("also_right", []):
            _check(found, said)
    if "each" in said:
        assert rejected == said["rejected"]


def _check(found: Reading, said: dict[str, Any]) -> None:
    assert found.refusal is None, found.refusal
    assert found.format is not None
    given, texts = found.candidates, ["question", "answer", "context"]
    rejected = dict(found.rejects["reason"].value_counts().iter_rows())
    assert (found.records, given.height) == (said["records"], said["accepted"])
    assert said["rejected"] in (None, rejected)
    assert given.select(pl.col(texts).fill_null("")).n_unique() == said["distinct"]
    if "with_context" in said:
        with_context = given["context"].fill_null("").ne("").sum()
        placeholders = said["with_context"] - with_context  # the table counts fewer spellings of "no input" than real
        assert 0 <= placeholders <= 1.2 * said.get("context_placeholders", 0)
    if "alternatives" in said:
        assert given["alternatives"].list.len().sum() == said["alternatives"]
    assert (found.format.container, found.format.shape) == (said["container"], said["shape"])
    assert found.format.encoding in {said["encoding"], *said.get("encoding_also_right", [])}
    for field in ("question", "answer"):
        assert found.format.mapping[field] in said["mapping"][field]
        assert found.format.mapping[field] not in said["mapping"].get("never_answer", [])


@pytest.mark.parametrize(("name", "said"), LATER)
def test_what_is_to_be_read_later_is_refused_and_never_misread(
    name: str, said: dict[str, Any], real_deliveries: Path
) -> None:
    for path in _files(real_deliveries, name):
        refusal = read(path).refusal
        assert refusal is not None, path.name
        assert refusal.reason in {said["refused"], *said.get("refused_any", [])}, (path.name, refusal)


def test_the_real_archive_is_unpacked_and_read(real_deliveries: Path, tmp_path: Path) -> None:
    name = "medquad/QA-TestSet-LiveQA-Med-Qrels-2479-Answers.zip"
    opened = unpack(real_deliveries / name, tmp_path, at_most=10**8)
    found = {member.name.rpartition("/")[2]: read(Path(member.location)) for member in opened.members}
    assert (len(found), opened.reading.records, sum(one.refusal is None for one in found.values())) == (2, 0, 1)
    pairs = found["All-2479-Answers-retrieved-from-MedQuAD.csv"]
    said = TABLE[name]
    assert (pairs.records, pairs.candidates.height, pairs.rejects.height) == (said["records"], said["accepted"], 0)
    assert pairs.candidates.select("question", "answer").n_unique() == said["distinct"]
    assert pairs.candidates["sources"].list.len().eq(1).all()
