"""The tutorial shows what its commands print, and its notebook runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from walkthrough import walked

DOCS = Path(__file__).parent.parent / "docs"


def test_the_tutorial_shows_what_its_commands_print() -> None:
    shown = (DOCS / "tutorial.md").read_text(encoding="utf-8")
    found = walked(shown)
    assert found == shown, "python tests/walkthrough.py docs/tutorial.md writes today's outputs"
    assert shown.count("$ archsim ") >= 8


def test_the_notebook_is_committed_without_outputs() -> None:
    notebook = json.loads((DOCS / "tutorial.ipynb").read_text(encoding="utf-8"))
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert code and not any(cell["outputs"] or cell["execution_count"] for cell in code)


@pytest.mark.slow
def test_the_notebook_runs(tmp_path: Path) -> None:
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    notebook = nbformat.read(DOCS / "tutorial.ipynb", as_version=4)
    resources = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=300, resources=resources).execute()
    pictures = [
        output
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if "image/png" in output.get("data", {})
    ]
    assert len(pictures) == 2
