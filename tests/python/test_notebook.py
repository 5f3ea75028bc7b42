"""The example notebook, executed from top to bottom, and what its reader sees."""

from __future__ import annotations

from pathlib import Path

from packages import needed

nbformat = needed("nbformat")
nbclient = needed("nbclient")

NOTEBOOK = Path(__file__).resolve().parents[2] / "examples" / "streams.ipynb"


def html_of(cell) -> str:
    return "".join(output["data"].get("text/html", "") for output in cell.outputs if "data" in output)


def test_the_notebook_runs_and_shows_tables_and_changes_side_by_side(tmp_path):
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert all(not cell.get("outputs") for cell in notebook.cells), "commit the notebook without outputs"
    nbclient.NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = {cell.source: html_of(cell) for cell in notebook.cells if cell.cell_type == "code"}
    changes = shown['db.changes("orders")']
    assert changes.count("<tr") == 5, "a heading and four changes"
    for text in ("INSERT", "MODIFY", "REMOVE", "state: paid", "state: new", ">old<", ">new<"):
        assert text in changes
    table = next(html for source, html in shown.items() if source.endswith('db.table("orders")'))
    assert "ada" in table and "bob" not in table
