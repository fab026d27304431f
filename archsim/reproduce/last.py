"""What the last run of each system gave, kept so that a list of them need not run anything."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from archsim.errors import InputError
from archsim.reproduce.bench import code_hash
from archsim.reproduce.load import Experiment
from archsim.reproduce.result import ExperimentResult
from archsim.system.atomic import write_text

NOT_RUN = "not run yet"
OTHER = "of another version"
_WORDS = {
    "agrees": ("agrees", "agree"),
    "calibrated": ("calibrated", "calibrated"),
    "deviates": ("deviates", "deviate"),
    "compared": ("compared", "compared"),
    "predicted": ("predicted", "predicted"),
    "not reproduced": ("quoted", "quoted"),
}


@dataclass(frozen=True)
class Listed:
    """An experiment in the list. figures: all of it; published: those compared with a number of
    the paper; quoted: those shown without one of ours; state: what its last run gave."""

    system: str
    title: str
    paper: str
    figures: int
    published: int
    quoted: int
    state: str


def listed(experiment: Experiment, cache: Path | None) -> Listed:
    """An experiment with the state of its last run."""
    file = experiment.file
    stated = [figure for figure in file.figures if figure.published is not None]
    return Listed(
        system=experiment.system,
        title=file.title,
        paper=file.paper,
        figures=len(file.figures),
        published=sum(figure.measure is not None for figure in stated),
        quoted=sum(figure.measure is None for figure in stated),
        state=last_state(experiment, cache),
    )


def keep_last(result: ExperimentResult, experiment: Experiment, cache: Path) -> None:
    """Keep a result as that of the last run; a folder that cannot be written stops nothing."""
    content = {
        "archsim_last_run": 1,
        "code": code_hash(),
        "experiment": _content_hash(experiment),
        "states": Counter(figure.state for figure in result.figures),
        "result": result.model_dump(mode="json"),
    }
    try:
        write_text(_file(experiment, cache), json.dumps(content) + "\n")
    except InputError:
        return


def last_state(experiment: Experiment, cache: Path | None) -> str:
    """`3 agree, 2 compared, 1 quoted`, or that it has not run, or not as it stands now."""
    if cache is None:
        return NOT_RUN
    try:
        content = json.loads(_file(experiment, cache).read_text(encoding="utf-8"))
        same = (content["code"], content["experiment"]) == (code_hash(), _content_hash(experiment))
        return _counted(content["states"]) if same else OTHER
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return NOT_RUN


def _counted(states: Mapping[str, int]) -> str:
    parts = [
        f"{states[state]} {words[states[state] > 1]}"
        for state, words in _WORDS.items()
        if states.get(state)
    ]
    return ", ".join(parts)


def _content_hash(experiment: Experiment) -> str:
    """SHA-256 of the experiment, the traces that it names and the folders of its architectures."""
    total = hashlib.sha256(json.dumps(experiment.document.data, sort_keys=True).encode())
    file = experiment.file
    paths = {experiment.folder / model.trace for model in file.models.values() if model.trace}
    for folder in {(experiment.folder / chip.arch).parent for chip in file.chips.values()}:
        paths |= {path for path in folder.iterdir() if path.is_file()}  # what may be included
    for path in sorted(paths):
        total.update(path.name.encode() + path.read_bytes())
    return total.hexdigest()


def _file(experiment: Experiment, cache: Path) -> Path:
    return cache / "last" / f"{experiment.system}.json"
