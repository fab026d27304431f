"""The Result of a run: one object, JSON on disk, DataFrames in the API."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ConfigDict

from archsim.options import RunOptions
from archsim.schema import Record
from archsim.schema.ranges import Size

if TYPE_CHECKING:
    import pandas as pd

    from archsim.documents import Document

RESULT_VERSION = 1


class Inputs(RunOptions):
    """What a run was made of: enough to make it again. chips: those that it used."""

    model_config = ConfigDict(extra="ignore")  # of a newer archsim

    arch: str
    arch_name: str
    arch_sha256: str
    trace: str
    trace_name: str
    trace_sha256: str
    chips: Size
    archsim: str


class LayerResult(Record):
    """One layer of the trace. Times in seconds from the start of the run.

    energy_j: of the layer's own actions, per inference; static energy belongs to no layer.
    utilisation: share of the run during which its arrays (or its digital unit) computed.
    waited_for: what held its instances back most, with the share of its time.
    """

    name: str
    op: str
    runs_on: str
    positions: int
    replicas: int
    tiles: int
    arrays: int
    macs: int
    utilisation: float
    start_s: float
    finish_s: float
    energy_j: float
    waited_for: str


class ValueFactors(Record):
    """What the values of a layer do to its energy, for a layer whose weights stay in arrays.

    inputs, weights: whether the trace had the statistics; one_density: share of ones in the bits of
    its inputs; mean_level: of the cells that hold its weights, over the highest level;
    mean_conductance_s: of the cells in use, in siemens, if the architecture states conductances;
    factors: component path and action -> what its energy is multiplied by.
    """

    inputs: bool
    weights: bool
    one_density: float
    mean_level: float
    mean_conductance_s: float | None
    factors: dict[str, float]


class CriticalOperation(Record):
    """What an operation has of the critical path. Times in seconds.

    steps: instances of it on the path; time_s: from their admission to their finish, added up; the
    times of all operations add up to the latency; start_s, finish_s: of its first and last step;
    waited_for: what most of that time could begin after.
    """

    name: str
    steps: int
    time_s: float
    start_s: float
    finish_s: float
    waited_for: str


class FloorPlan(Record):
    """How busy each place of the chips was, as a share of the run.

    width, height: routers of a chip's mesh; one entry per tile, through all chips: its chip and
    the (x, y) of its router, the mean share of its arrays (used or not), the largest share of any
    of its units, and the path of that unit; links: (chip, x, y, x, y, share) of each link used,
    from the first router to the second.
    """

    width: int = 0
    height: int = 0
    tiles_per_router: int = 1
    chip: list[int] = []
    x: list[int] = []
    y: list[int] = []
    arrays: list[float] = []
    busiest: list[float] = []
    busiest_part: list[str] = []
    links: list[tuple[int, int, int, int, int, float]] = []


class Generated(Record):
    """Autoregressive generation of a run's first inference.

    prompt, decode: positions of the prompt and steps after it, of each of `sequences` interleaved
    sequences; first_token_s: until the first token of all of them; step_s: mean time of a decode
    step; tokens_per_s: of all sequences in the decode steps.
    """

    prompt: int
    decode: int
    sequences: int
    first_token_s: float
    step_s: float
    tokens_per_s: float


class Limit(Record):
    """What no mapping of the model on the chips can beat, and which part of them sets it.

    latency_s: of an inference; interval_s: of each inference of a batch, on average.
    """

    latency_s: float
    latency_by: str
    interval_s: float
    interval_by: str


class TakenTurns(Record):
    """Weights that took turns in the arrays.

    loaded_bits: weights that came in for the batch; load_s: time of the run in which any of them
    came or was written; hidden_s: the part of it in which layers computed; load_j, dram_bits: of
    loading, and of all that passed DRAM, per inference; wear: writes of the cell that is written
    most often, per inference.
    """

    passes: int
    banks: int
    loaded_bits: int
    load_s: float
    hidden_s: float
    load_j: float
    dram_bits: float
    wear: float


class Result(Record):
    """What a run took, drew and achieved, for the whole batch unless said otherwise.

    cycles: periods of the architecture's clock; latency_s: from start until the whole batch is
    done; first_latency_s: until the first inference is; interval_s: the steady pace of a batch,
    the mean time from one inference's end to the next one's; energy_j: per inference; ops: two per
    MAC, of the batch; peak_tops: of the chips used, at the native precision; peak_tops_run: at the
    trace's precision;
    value_factors: by layer; energy_random_values_j: energy_j if all codes were random.
    """

    archsim_result: int = RESULT_VERSION
    inputs: Inputs
    engine: str
    cycles: int
    tick_s: float
    ticks: int
    latency_s: float
    first_latency_s: float
    interval_s: float
    throughput_inf_per_s: float
    energy_j: float
    energy_total_j: float
    energy_static_j: float
    energy_breakdown_j: dict[str, float]
    power_w: float
    macs: int
    ops: int
    tops: float
    tops_per_w: float
    peak_tops: float
    peak_tops_run: float
    weight_bits: int
    input_bits: int
    area_mm2: float
    arrays_used: int
    arrays_total: int
    chips: int
    utilisation: float
    layers: list[LayerResult]
    energy_parts_j: dict[str, dict[str, float]]
    services: int
    events: int
    digest: str
    value_statistics: str
    wall_s: float
    # absent from results of version 0.1.0
    value_factors: dict[str, ValueFactors] = {}
    energy_random_values_j: float | None = None
    critical_path: list[CriticalOperation] = []
    floor: FloorPlan = FloorPlan()
    generated: Generated | None = None
    limit: Limit | None = None
    turns: TakenTurns | None = None

    def layer_frame(self) -> pd.DataFrame:
        """One row per layer."""
        import pandas as pd

        return pd.DataFrame([layer.model_dump() for layer in self.layers])

    def energy_frame(self) -> pd.DataFrame:
        """One row per component: dynamic, static and total joules per inference."""
        import pandas as pd

        frame = pd.DataFrame.from_dict(self.energy_parts_j, orient="index")
        frame["total"] = frame.sum(axis=1)
        return frame.rename_axis("component")

    def summary(self) -> dict[str, Any]:
        """All single figures, without the layer list and the breakdowns."""
        return {k: v for k, v in self.model_dump().items() if not isinstance(v, list | dict)}


def load_result(path: str | Path) -> Result:
    """Read a result.json, or the one in a directory that `archsim run --out` made.

    InputError if there is none, it is damaged, or a newer archsim wrote it.
    """
    from archsim.documents import load_document
    from archsim.errors import InputError
    from archsim.system.output import RESULT_FILE

    file = Path(path)
    if file.is_dir():
        file = file / RESULT_FILE
        if not file.exists():
            raise InputError(
                f"the directory holds no {RESULT_FILE}.",
                str(path),
                "`archsim run ARCH TRACE --out DIR` makes one.",
            )
    return result_from_document(load_document(file))


def result_from_document(document: Document) -> Result:
    """Validate a loaded result.json; InputError if it is damaged or from a newer archsim."""
    from archsim.documents import check_version, validate

    check_version(document, "result", "archsim_result", RESULT_VERSION)
    return validate(Result, document)
