"""Imports point the way the data flows: every package knows those below it, and no circle is left.

Read off the source, imports inside functions and for type checking included. docs/architecture.md
draws the same order.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import archsim

ROOT = Path(archsim.__file__).parent
DOOR = "archsim"  # its __init__ names what is loaded on first use, and the version

LAYERS = (
    ("errors",),
    ("schema", "system"),
    ("documents",),
    ("trace",),
    ("learning", "models", "trace.onnx"),
    ("trace.hf", "trace.pytorch"),
    ("cost_models",),
    ("components",),
    ("arch",),
    ("program",),
    ("engine",),
    ("mapping",),
    ("costing", "limits", "options"),
    ("result", "search"),
    ("analysis",),
    ("timeline",),
    ("simulation",),
    ("gpu",),
    ("adaptation",),
    ("tables",),
    ("sweep", "reproduce"),
    ("bench",),
    ("report",),
    ("html", "plots"),
    ("cli",),
    ("__main__",),
)
"""From the bottom up; packages beside each other do not know one another."""

KNOWS_ONLY: dict[str, set[str]] = {
    "program": set(),
    "engine": {"program"},
    "components": {"cost_models", "errors", "schema"},
    "learning": {"errors", "schema", "trace"},
    "tables": {"errors", "schema"},
}
"""The only packages that some may know: an engine cannot tell a crossbar from a bus."""

KNOWS_NOTHING_OF = {
    "arch": {"trace", "models", "learning"},
    "limits": {"program", "engine"},
    "gpu": {"arch", "program", "engine", "mapping", "costing", "simulation"},
}

RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}


def modules() -> dict[str, Path]:
    found = {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = (DOOR, *path.relative_to(ROOT).with_suffix("").parts)
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def imported(source: str, known: Mapping[str, object]) -> Iterator[str]:
    """Modules of archsim that a source imports, anywhere in it."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (a.name for a in node.names if a.name.split(".")[0] == DOOR)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are absolute"
            if node.module and node.module.split(".")[0] == DOOR:
                whole = (f"{node.module}.{a.name}" for a in node.names)
                yield from (name if name in known else node.module for name in whole)


IMPORTS = {
    name: sorted(set(imported(path.read_text(encoding="utf-8"), MODULES)))
    for name, path in MODULES.items()
    if name != DOOR
}


def package(module: str) -> str:
    """The longest name of LAYERS that a module is in."""
    path = module.removeprefix(f"{DOOR}.")
    return max((n for n in RANK if path == n or path.startswith(f"{n}.")), key=len, default=path)


def edges() -> Iterator[tuple[str, str, str, str]]:
    """(module, its package, imported module, that one's package), between packages."""
    for module, names in IMPORTS.items():
        for name in names:
            if name != DOOR and package(module) != package(name):
                yield module, package(module), name, package(name)


def test_every_module_has_its_place() -> None:
    assert {package(module) for module in IMPORTS} == set(RANK)


def test_imports_point_down() -> None:
    against = [f"{module} imports {name}" for module, above, name, below in edges()
               if RANK[above] <= RANK[below]]  # fmt: skip
    assert against == []


def test_what_a_package_must_not_know() -> None:
    wrong = [
        f"{module} imports {name}"
        for module, above, name, below in edges()
        if below in KNOWS_NOTHING_OF.get(above, ()) or below not in KNOWS_ONLY.get(above, {below})
    ]
    assert wrong == []


def circles(graph: Mapping[str, list[str]]) -> list[list[str]]:
    """What is left of a graph without the nodes that lead nowhere, and then those before them."""
    left = {name: {n for n in names if n in graph and n != name} for name, names in graph.items()}
    while ends := {name for name, names in left.items() if not names}:
        left = {n: names - ends for n, names in left.items() if n not in ends}
    return [[name, *sorted(names)] for name, names in sorted(left.items())]


def test_no_circle_of_files() -> None:
    assert circles(IMPORTS) == []


def test_the_check_sees_circles_and_imports_inside_functions() -> None:
    assert circles({"a": ["b"], "b": ["c"], "c": []}) == []
    assert [c[0] for c in circles({"a": ["b"], "b": ["c"], "c": ["b"]})] == ["a", "b", "c"]
    source = "def f():\n    from archsim.cli import main\n    import archsim.mapping.plan\n"
    assert list(imported(source, MODULES)) == ["archsim.cli.main", "archsim.mapping.plan"]
    assert package("archsim.trace.hf.config") == "trace.hf"
    assert package("archsim.trace.load") == "trace"


def test_importing_archsim_stays_cheap() -> None:
    """The door imports nothing but the standard library until a name is used."""
    tree = ast.parse((ROOT / "__init__.py").read_text(encoding="utf-8"))
    top = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    names = [n.module or "" if isinstance(n, ast.ImportFrom) else n.names[0].name for n in top]
    assert {name.split(".")[0] for name in names} <= sys.stdlib_module_names
