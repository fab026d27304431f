"""What a path holds: a run, a sweep, a comparison or a reproduction."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from archsim.errors import InputError
from archsim.system.output import RESULT_FILE

KEYS = ("archsim_result", "archsim_comparison_result", "archsim_reproduction")
FILES = (RESULT_FILE, "comparison.json", "reproduction.json")
FIX = (
    f"A run ({RESULT_FILE}) comes from `archsim run ARCH TRACE --out DIR`, a sweep from "
    "`archsim sweep FILE --out DIR`."
)


@dataclass(frozen=True)
class Loaded:
    """Results: `kind` is run, sweep, comparison or reproduction.

    content: a Result, rows of points, a Comparison or a Reproduction; name: of the folder.
    """

    kind: str
    content: Any
    name: str


def load_results(path: str | Path) -> Loaded:
    """The results in a folder, or in a JSON file of one.

    Raises InputError if there are none, they are damaged, or a newer archsim wrote them.
    """
    from archsim.sweep.folder import is_sweep_folder

    place = Path(path)
    if not place.exists():
        raise InputError("there is no such file or folder.", str(path), FIX)
    if not place.is_dir():
        return _from_file(place)
    for name in FILES:
        if (place / name).is_file():
            return _from_file(place / name)
    if not is_sweep_folder(place):
        raise InputError("the folder holds no result.", str(path), FIX)
    from archsim.sweep.results import load_rows

    rows = load_rows(place)
    if not rows:
        raise InputError(
            "the sweep has no points yet.", str(place), f"Go on: `archsim sweep {place} --resume`."
        )
    return Loaded("sweep", rows, place.resolve().name)


def _from_file(place: Path) -> Loaded:
    from archsim.documents import check_version, load_document, validate

    document = load_document(place)
    data = document.data if isinstance(document.data, dict) else {}
    key = next((key for key in KEYS if key in data), None)
    name = place.resolve().parent.name
    if key == "archsim_result":
        from archsim.result import result_from_document

        return Loaded("run", result_from_document(document), name)
    if key == "archsim_comparison_result":
        from archsim.report.views import COMPARISON_VERSION, Comparison

        check_version(document, "comparison", key, COMPARISON_VERSION)
        return Loaded("comparison", validate(Comparison, document), name)
    if key == "archsim_reproduction":
        from archsim.report.views import REPRODUCTION_VERSION, Reproduction

        check_version(document, "reproduction", key, REPRODUCTION_VERSION)
        return Loaded("reproduction", validate(Reproduction, document), name)
    raise InputError(
        f"this is no result: it has none of the keys {', '.join(KEYS)}.", str(place), FIX
    )
