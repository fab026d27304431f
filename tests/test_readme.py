"""The README shows what `make run` prints, and its commands exist."""

from __future__ import annotations

import re
from pathlib import Path

import archsim
from archsim.report.run_tables import headline
from archsim.report.table import Table

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
VARIES = {"engine"}  # has the wall time


def cells(table: Table) -> dict[str, str]:
    return {
        table.columns[0].cell(record): table.columns[1].cell(record) for record in table.records
    }


def test_the_output_in_the_readme_is_that_of_make_run() -> None:
    command = re.search(r"archsim run (\S+) (\S+)\n", (ROOT / "Makefile").read_text())
    assert command is not None
    arch, trace = (ROOT / name for name in command.groups())
    result = archsim.simulate(arch, trace)
    shown = README.split("<!-- output of make run -->")[1].split("```")[1]
    for figure, value in cells(headline(result)).items():
        if figure not in VARIES:
            assert re.search(rf"^{re.escape(figure)} +{re.escape(value)}$", shown, re.MULTILINE)


def test_readme_starts_with_the_two_commands() -> None:
    assert "make run" in README.splitlines()[2]
    assert "make test" in README.splitlines()[3]


def test_files_that_the_readme_names_exist() -> None:
    for name in re.findall(r"\]\(([\w./]+\.md)", README):
        assert (ROOT / name).exists(), name
