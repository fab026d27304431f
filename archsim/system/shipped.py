"""The files that come with archsim: chips, traces, workloads, experiments, sweeps, documents.

They stand at the top of a checkout, and in `archsim/shipped/` of an installed package (setup.py).
"""

from __future__ import annotations

import shutil
from pathlib import Path

from archsim.errors import InputError, Location, nearest

CHIPS, TRACES, WORKLOADS = "arch_configs", "traces", "workloads"
EXPERIMENTS, SWEEPS, DOCUMENTS = "experiments", "sweeps", "docs"
EXAMPLES = (CHIPS, TRACES, WORKLOADS, EXPERIMENTS, SWEEPS)
"""Folders of files that a user runs or starts from."""
MODELS = (TRACES, WORKLOADS)

_PACKAGE = Path(__file__).resolve().parents[1]
SUFFIXES = (".yaml", ".yml", ".json")
"""Endings of a name that means a file, whether it exists or not."""
_ENDINGS = (".trace.json", ".scenario.yaml", *SUFFIXES)


def root() -> Path:
    """The folder that holds the shipped folders."""
    installed = _PACKAGE / "shipped"
    return installed if installed.is_dir() else _PACKAGE.parent


def shipped(*folders: str) -> dict[str, Path]:
    """The shipped files of some folders by name: `isaac_vpu`, or `workloads/teaching` where two
    of these folders have the name."""
    found: dict[str, list[Path]] = {}
    for folder in folders:
        for path in sorted((root() / folder).iterdir()):
            if path.name.endswith(_ENDINGS):
                found.setdefault(_name(path), []).append(path)
    return {
        name if len(paths) == 1 else f"{path.parent.name}/{name}": path
        for name, paths in sorted(found.items())
        for path in paths
    }


def resolve(given: str | Path, *folders: str) -> str:
    """The path that a user means: that of a file, or a shipped file by its name.

    A path leads first where it leads from here, then among the shipped files:
    `arch_configs/isaac.yaml` is found wherever archsim is called. What has an ending or leads
    somewhere and is neither comes back as it is, for the reader to say what is wrong. Raises
    InputError for a name that no shipped file of these folders has, or more than one.
    """
    path = Path(given)
    try:
        if path.is_file() or not str(given):
            return str(given)
        there = path.exists()
    except (OSError, ValueError):  # too long a name, a null byte
        return str(given)
    inside = len(path.parts) > 1 and path.parts[0] in folders and ".." not in path.parts
    if inside and (root() / path).is_file():
        return str(root() / path)
    known = shipped(*folders)
    if str(given) in known:
        return str(known[str(given)])
    if inside and len(path.parts) == 2 and path.name in (own := shipped(path.parts[0])):
        return str(own[path.name])
    if there or path.suffix in SUFFIXES or len(path.parts) != 1:
        return str(given)
    several = [name for name in known if name.endswith(f"/{given}")]
    raise InputError(
        f"{len(several)} shipped files have this name."
        if several
        else "there is no such file, and none of this name comes with archsim.",
        Location(str(given)),
        f"Write {' or '.join(several)}." if several else nearest(str(given), known),
    )


def copy_examples(to: Path) -> list[Path]:
    """Copy all examples into a folder, and return their paths.

    Raises InputError, before anything is written, where the folder has one of these folders.
    """
    for folder in EXAMPLES:
        if (to / folder).exists():
            raise InputError("this exists already.", str(to / folder), "Give a new folder.")
    try:
        for folder in EXAMPLES:
            shutil.copytree(root() / folder, to / folder)
    except OSError as fault:
        raise InputError(f"cannot write here: {fault.strerror or fault}.", str(to)) from None
    return sorted(path for folder in EXAMPLES for path in (to / folder).rglob("*.*"))


def documents() -> dict[str, Path]:
    """The documents by topic: `timing` for docs/timing.md."""
    return {path.stem: path for path in sorted((root() / DOCUMENTS).glob("*.md"))}


def _name(path: Path) -> str:
    for ending in _ENDINGS:
        if path.name.endswith(ending):
            return path.name.removesuffix(ending)
    return path.stem
