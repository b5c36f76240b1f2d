"""The notebooks run from top to bottom on a fresh workspace."""

from pathlib import Path

import pytest

from orchestration.cli import run

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize("notebook", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda p: p.name)
def test_a_notebook_runs_from_top_to_bottom(notebook: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import nbformat
    from nbclient import NotebookClient

    workspace = tmp_path / "ws"
    assert run(["run", str(ROOT / "examples" / "deliveries"), "--model", "hash", "--quiet", "-w", str(workspace)]) == 0
    monkeypatch.setenv("ETL_WORKSPACE", str(workspace))
    content = nbformat.read(notebook, as_version=4)
    NotebookClient(content, timeout=120, resources={"metadata": {"path": str(notebook.parent)}}).execute()
    outputs = [o for cell in content.cells for o in cell.get("outputs", [])]
    assert not [o for o in outputs if o.output_type == "error"]
