"""The results of a sweep as a table: one row per point, in the order of the points."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archsim.errors import InputError
from archsim.sweep.folder import STORE, SWEEP_FILE, is_sweep_folder
from archsim.sweep.store import Store

if TYPE_CHECKING:
    import pandas as pd


def load_results(path: str | Path) -> pd.DataFrame:
    """All finished points of a results folder, one row each, by number.

    Columns: `index`; the axes and derived values by path, as the sweep file spells them; `status`
    (ok, invalid, excluded, failed) and `reason`; then the figures of `archsim run --json` in the
    same units, with the energy per kind of component as `energy_<kind>_j`, empty where a point has
    none. Raises InputError if the folder holds no sweep.
    """
    import pandas as pd

    return pd.DataFrame(load_rows(path))


def load_rows(path: str | Path) -> list[dict[str, Any]]:
    """The rows of `load_results` as dicts, all with the same keys."""
    folder = Path(path)
    if not is_sweep_folder(folder):
        what = "this folder holds no sweep." if folder.is_dir() else "there is no such folder."
        raise InputError(what, str(folder), "Give the folder that --out named.")
    if not (folder / STORE).exists():
        return []
    with Store(folder / STORE) as store:
        return rows(record for _, record in store.items())


def load_axes(path: str | Path) -> list[str]:
    """The axes of the sweep in a results folder, by path."""
    from archsim.sweep.methods import name_of
    from archsim.sweep.model import load_sweep
    from archsim.sweep.paths import canonical

    sweep, _ = load_sweep(Path(path) / SWEEP_FILE)
    choices = (("trace", sweep.traces), ("method", [name_of(entry) for entry in sweep.methods]))
    return [name for name, values in choices if len(values) > 1] + [
        canonical(name) for name in sweep.axes
    ]


def rows(records: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Records of a store as rows of a table."""
    ordered = sorted(records, key=lambda record: record["index"])
    settings = {name: None for record in ordered for name in record["settings"]}
    figures = {name: None for record in ordered for name in record["figures"] or {}}
    return [
        {
            "index": record["index"],
            **settings,
            **{name: _plain(value) for name, value in record["settings"].items()},
            "status": record["status"],
            "reason": record["reason"],
            **figures,
            **(record["figures"] or {}),
        }
        for record in ordered
    ]


def write_table(store: Store, path: Path) -> None:
    """Write all points of a store as CSV, whole or not at all."""
    from archsim.system.atomic import write_text

    table = rows(record for _, record in store.items())
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, list(table[0]) if table else ["index"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(table)
    write_text(path, buffer.getvalue())


def _plain(value: Any) -> Any:
    """A value that fits a cell: a list such as [128, 128] as '128 x 128'."""
    return " x ".join(map(str, value)) if isinstance(value, list) else value
