"""The README shows what `make run` prints, and its commands exist and are all there."""

from __future__ import annotations

import configparser
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import archsim
from archsim.cli.main import cli
from archsim.report.run_tables import headline
from archsim.tables.table import Table

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
VARIES = {"engine"}  # has the wall time


@pytest.fixture(scope="module")
def shown_run() -> tuple[archsim.Result, str]:
    """The run of `make run`, and the README's output of it."""
    command = re.search(r"archsim run (\S+) (\S+)\n", (ROOT / "Makefile").read_text())
    assert command is not None
    arch, trace = (ROOT / name for name in command.groups())
    shown = README.split("<!-- output of make run -->")[1].split("```")[1]
    return archsim.simulate(arch, trace), shown


def cells(table: Table) -> dict[str, str]:
    return {
        table.columns[0].cell(record): table.columns[1].cell(record) for record in table.records
    }


def test_the_output_in_the_readme_is_that_of_make_run(
    shown_run: tuple[archsim.Result, str],
) -> None:
    result, shown = shown_run
    for figure, value in cells(headline(result)).items():
        if figure not in VARIES:
            assert re.search(rf"^{re.escape(figure)} +{re.escape(value)}$", shown, re.MULTILINE)


def test_the_sentence_on_values_is_that_of_make_run(
    shown_run: tuple[archsim.Result, str],
) -> None:
    result, _ = shown_run
    assert result.energy_random_values_j is not None
    used = result.energy_j - result.energy_static_j
    random = result.energy_random_values_j - result.energy_static_j
    assert f"{used * 1e3:.3f} mJ of dynamic energy" in README
    assert f"it is {random * 1e3:.3f} mJ, {100 * (random / used - 1):.1f} % more" in README


def commands(command: click.Command, path: tuple[str, ...]) -> Iterator[tuple[str, click.Command]]:
    """All commands that do something, by their words."""
    if not isinstance(command, click.Group):
        yield " ".join(path), command
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        found = command.get_command(context, name)
        assert found is not None
        yield from commands(found, (*path, name))


def test_every_command_is_in_the_readme() -> None:
    section = README.split("## Commands")[1].split("\n## ")[0]
    found = dict(commands(cli, ()))
    assert len(found) > 15
    for name in found:
        assert re.search(rf"`(archsim )?{name}[ `]", section), name


def test_commands_and_options_of_the_readme_exist() -> None:
    known = dict(commands(cli, ()))
    rows = re.findall(r"^\| `archsim ([^`]+)` \| (.*) \|$", README, re.MULTILINE)
    assert len(rows) >= 15
    for words, text in rows:
        name = max((n for n in known if f"{words} ".startswith(f"{n} ")), key=len, default=None)
        assert name is not None, words
        own = {option for parameter in known[name].params for option in parameter.opts}
        wanted = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", f"{words} {text}"))
        assert wanted <= own, (name, wanted - own)


def test_the_extras_of_the_readme_are_those_of_the_package() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    section = README.split("| Extra | For |")[1].split("\n\n")[0]
    shown = re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)
    assert sorted(shown) == sorted(setup["options.extras_require"])


def test_readme_starts_with_a_picture_and_the_two_commands() -> None:
    top = README.split("```")[0]
    assert "    make run  " in top and "    make test  " in top
    assert "](docs/dataflow.svg)" in top and (ROOT / "docs" / "dataflow.svg").is_file()


def test_files_that_the_readme_names_exist() -> None:
    for name in re.findall(r"\]\(([\w./]+\.md)", README):
        assert (ROOT / name).exists(), name


def test_every_document_is_in_the_index() -> None:
    for path in (ROOT / "docs").glob("*.md"):
        assert f"](docs/{path.name})" in README, path.name


def test_links_and_sections_within_the_documents_exist() -> None:
    """Every link to a Markdown file or a section of one leads somewhere."""
    for path in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for target, anchor in re.findall(r"\]\(([\w./-]*\.md)?(?:#([\w-]+))?\)", path.read_text()):
            to = path.parent / target if target else path
            assert to.exists(), (path.name, target)
            if anchor:
                titles = re.findall(r"^#+ (.+)$", to.read_text(), re.MULTILINE)
                slugs = {re.sub(r"[^\w -]", "", t.lower()).replace(" ", "-") for t in titles}
                assert anchor in slugs, (path.name, target, anchor)
