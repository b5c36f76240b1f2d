"""Categories and indicators: kept, in one spelling, derived where missing and marked so, changed by the settings."""

import json
from pathlib import Path

import pytest

from etl.explain import explain, render
from etl.normalise.names import Names, category_of_file, spoken
from orchestration import runs
from orchestration.workspace import Workspace, init

ASKED = [{"question": f"What is reading {n}?", "answer": f"Reading {n} is a number of the market."} for n in range(4)]
TRIVIA = (
    "#Q Which animal barks?\n^ The dog\nA The cat\nB The dog\n\n"
    "#Q Which animal purrs?\n^ The cat\nA The cat\nB The dog\n"
)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    init(tmp_path)
    files = {
        "droid/given.json": [ASKED[0] | {"category": "On-Chain", "indicator": "relative strength index"}],
        "droid/momentum/more.json": [ASKED[1]],
        "droid/session_7_macd.json": [ASKED[2]],
        "zai/institutional_custody.json": [ASKED[3]],
    }
    for name, rows in files.items():
        (tmp_path / "inbox" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "inbox" / name).write_text(json.dumps(rows))
    (tmp_path / "inbox" / "zai" / "categories__brain-teasers").write_text(TRIVIA)
    return Workspace.at(tmp_path)


def names(workspace: Workspace) -> dict[str, tuple[str | None, str | None, list[str]]]:
    with workspace.store() as store:
        rows = store.query(
            """SELECT p.question, p.category, p.indicator, o.derived FROM pairs p JOIN occurrences o USING (key)
               ORDER BY p.question"""
        )
        return {row[0]: row[1:] for row in rows.iter_rows()}


def test_names_are_kept_unified_or_derived_with_their_origin(workspace: Workspace) -> None:
    runs.run_stage(workspace, "ingest")
    assert names(workspace) == {
        "What is reading 0?": ("on_chain", "RSI", []),
        "What is reading 1?": ("momentum", None, ["category:folder"]),
        "What is reading 2?": ("momentum", "MACD", ["indicator:file_name", "category:indicator_list"]),
        "What is reading 3?": (None, None, []),
        "Which animal barks?": ("brain_teasers", None, ["category:file_name"]),
        "Which animal purrs?": ("brain_teasers", None, ["category:file_name"]),
    }
    with workspace.store() as store:
        said = render(explain(store, "What is reading 2?"))
    assert "indicator derived from the file's name, category derived from the list of indicators" in said


def test_changed_settings_give_existing_pairs_their_new_names(workspace: Workspace) -> None:
    runs.run_stage(workspace, "ingest")
    runs.run_stage(workspace, "assess")
    (workspace.root / "etl.toml").write_text(
        '[indicators.aliases]\n"MACD" = "Moving Average Convergence Divergence"\n'
        '[categories.synonyms]\n"On-Chain" = "onchain"\n"momentum" = "speed"\n'
        '[categories.paths]\n"zai/institutional_*" = "Institutional"\n'
    )
    changed = Workspace.at(workspace.root)
    data = runs.run_stage(changed, "ingest").data
    assert (data["pairs"], data["new_at_delivery"], set(data["adds_up"].values())) == (6, 6, {True})
    found = names(changed)
    assert found["What is reading 0?"][:2] == ("onchain", "RSI")
    assert found["What is reading 1?"] == ("speed", None, ["category:folder"])
    assert found["What is reading 2?"][:2] == ("speed", "Moving Average Convergence Divergence")
    assert found["What is reading 3?"] == ("institutional", None, ["category:settings"])
    with changed.store() as store:  # only what a changed name can matter to is graded again
        graded = store.query("SELECT question FROM pairs SEMI JOIN grades USING (key) ORDER BY 1")["question"].to_list()
    assert graded == ["Which animal barks?", "Which animal purrs?"]
    (workspace.root / "etl.toml").write_text("")
    runs.run_stage(Workspace.at(workspace.root), "ingest")
    assert names(changed)["What is reading 1?"][0] == "momentum"


def test_spellings_of_categories_fall_together_and_synonyms_chain_nowhere() -> None:
    known = Names.known(spoken({}, {"chain analytics": "onchain", "onchain": "ledger"}, {}))
    assert [known.category(name) for name in ("Chain-Analytics", "chain_analytics", "CHAIN  ANALYTICS")] == [
        "onchain"
    ] * 3
    assert known.category("On Chain") == "ledger"
    assert known.category_of("SOPR") == "ledger"


@pytest.mark.parametrize(
    ("path", "said"),
    [("a/categories__for-kids", "for_kids"), ("trivia_animals.txt", "animals"), ("questions", None), ("q/2024", None)],
)
def test_the_name_of_a_file_as_a_category(path: str, said: str | None) -> None:
    assert category_of_file(path) == said


def test_real_trivia_files_give_their_names(real_deliveries: Path, tmp_path: Path) -> None:
    init(tmp_path)
    folder = real_deliveries / "opentriviaqa"
    if not folder.is_dir():
        pytest.skip("no trivia files there")
    runs.run_stage(Workspace.at(tmp_path), "ingest", paths=[folder / "categories__animals"])
    with Workspace.at(tmp_path).store() as store:
        assert store.query("SELECT DISTINCT category FROM pairs")["category"].to_list() == ["animals"]
