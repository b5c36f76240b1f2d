"""Shapes of the user's own register by entry point; the example in the docs is what is tested."""

import json
import re
import tomllib
from pathlib import Path

import pytest

from etl import Store, Tally, drain, ingest
from etl.detect import report
from etl.errors import SettingsError
from etl.ingest.plan import recipe
from etl.shapes import own
from orchestration.checks import environment
from orchestration.cli import run

DOCS = (Path(__file__).resolve().parent.parent / "docs" / "own-shapes.md").read_text(encoding="utf-8")
CODE, TOML = (re.findall(rf"```{kind}\n(.*?)```", DOCS, re.DOTALL)[0] for kind in ("python", "toml"))
CARDS = [{"front": f"RSI {i}", "back": f"An oscillator of {i} periods."} for i in range(5)]


def install(folder: Path, code: str = CODE, version: str | None = None) -> None:
    """The module and the metadata that pip would write."""
    folder.mkdir(exist_ok=True)
    project = tomllib.loads(TOML)["project"]
    version = version or project["version"]
    (folder / "motherlode_cards.py").write_text(code, encoding="utf-8")
    info = folder / f"motherlode_cards-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {version}\n", encoding="utf-8"
    )
    lines = [f"{name} = {target}" for name, target in project["entry-points"][own.GROUP].items()]
    (info / "entry_points.txt").write_text(f"[{own.GROUP}]\n" + "\n".join(lines) + "\n", encoding="utf-8")


@pytest.fixture
def cards(tmp_path: Path) -> Path:
    path = tmp_path / "inbox" / "cards.json"
    path.parent.mkdir()
    path.write_text(json.dumps(CARDS), encoding="utf-8")
    return path


def test_the_example_is_ten_lines_of_code() -> None:
    assert sum(bool(line.strip()) for line in CODE.splitlines()) <= 10


def test_the_example_of_the_docs_reads_a_delivery_in_the_spawned_child(
    store: Store, tmp_path: Path, cards: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert report(cards).state != "accepted"
    plain = recipe()
    drain(ingest.ingest(store, [cards], root=tmp_path, meter=Tally()))
    install(tmp_path / "site")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    assert report(cards).shape["value"] == "cards"
    assert recipe().parameters["shapes"] == {"cards": "motherlode-cards 0.1"}
    assert recipe().digest != plain.digest
    done = drain(ingest.ingest(store, [cards], root=tmp_path, meter=Tally()))
    assert (done["files"], done["new"]) == (1, 5)
    assert ingest.delivery(store, "inbox/cards.json")["shape"] == "cards"
    assert "cards (motherlode-cards 0.1)" in {check.name: check.finding for check in environment(tmp_path)}["shapes"]


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import nothing_of_the_kind", "ModuleNotFoundError"),
        ("CARDS = 7", "gives something of type int, but a Shape called 'cards' is expected"),
        (CODE.replace('Shape("cards"', 'Shape("other"'), "gives a Shape called 'other'"),
    ],
)
def test_a_plug_in_that_cannot_be_loaded_stops_with_one_line_that_names_it(
    code: str,
    said: str,
    tmp_path: Path,
    cards: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    import sys

    install(tmp_path / "site", code)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.delitem(sys.modules, "motherlode_cards", raising=False)
    with pytest.raises(SettingsError, match="motherlode-cards"):
        report(cards)
    assert run(["ingest", str(cards), "--workspace", str(tmp_path), "--quiet"]) == 1
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "cards (motherlode-cards 0.1)" in err
    assert said in err
    assert not {check.name: check.ok for check in environment(tmp_path)}["shapes"]
