"""The Result of a run: one object, JSON on disk, DataFrames in the API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    import pandas as pd

RESULT_VERSION = 1


class Inputs(BaseModel):
    """What a run was made of: enough to make it again."""

    model_config = ConfigDict(frozen=True)

    arch: str
    arch_name: str
    arch_sha256: str
    trace: str
    trace_name: str
    trace_sha256: str
    batch: int
    chips: int
    replicate: bool
    archsim: str


class LayerResult(BaseModel):
    """One layer of the trace. Times in seconds from the start of the run.

    energy_j: of the layer's own actions, per inference; static energy belongs to no layer.
    utilisation: share of the run during which its arrays (or its digital unit) computed.
    waited_for: what held its instances back most, with the share of its time.
    """

    model_config = ConfigDict(frozen=True)

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


class Result(BaseModel):
    """What a run took, drew and achieved, for the whole batch unless said otherwise.

    cycles: periods of the architecture's clock; latency_s: from start until the whole batch is
    done; first_latency_s: until the first inference is; interval_s: between the last two
    inferences of a batch; energy_j: per inference; ops: two per MAC, of the batch; peak_tops: of
    the chips used, at the native precision; peak_tops_run: at the trace's precision.
    """

    model_config = ConfigDict(frozen=True)

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
