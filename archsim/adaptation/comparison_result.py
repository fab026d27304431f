"""What a comparison of methods and GPUs found, as written to comparison.json."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import Field

from archsim.adaptation.amortise import Costs
from archsim.adaptation.break_even import Answer
from archsim.schema import Record

if TYPE_CHECKING:
    import pandas as pd

COMPARISON_FILE: Final = "comparison.json"
RESULT_VERSION: Final = 1


class OverlapFigures(Record):
    """A switch beside running inferences; see archsim.adaptation.overlap.Overlap."""

    inferences: int
    programming_s: float
    inference_s: float
    inference_alone_s: float
    slow_down: float
    delay_s: float
    extra_j: float


class MethodFigures(Record):
    """A method on a platform, whatever the scenario. SI units, sizes in bits.

    trained: values that a task learns; stored_bits: kept per task; rows, cells, pulses and
    bits_written: of one switch; inference_*: per inference, a batch's time shared by its
    inferences; extra_*: more than the unadapted model needs on the same platform; first_token_s,
    token_s: of a trace that generates; switch_*, once_*: alone, on an otherwise idle chip;
    learning_*: of one task, 0 where nothing is learnt on the device; switches_until_worn: None if
    no cell wears out; residents: tasks held at once, None for any number; overlap: where asked for;
    adapted_layers: which layers have adapters, in words.
    """

    method: str
    platform: str
    device: Literal["chip", "gpu"]
    precision: str
    batch: int
    chips: int = 1
    trained: int
    stored_bits: int
    rows_programmed: int = 0
    cells_programmed: int = 0
    pulses: int = 0
    bits_written: int
    inference_energy_j: float
    inference_static_j: float
    inference_latency_s: float
    extra_energy_j: float
    extra_latency_s: float
    tops_per_w: float
    first_token_s: float | None = None
    token_s: float | None = None
    switch_energy_j: float
    switch_latency_s: float
    once_energy_j: float = 0.0
    once_latency_s: float = 0.0
    learning_energy_j: float = 0.0
    learning_latency_s: float = 0.0
    learning_chips: int | None = None
    peak_memory_bits: int | None = None
    switches_until_worn: float | None = None
    adapted_layers: str = ""
    residents: int | None = None
    overlap: OverlapFigures | None = None

    @property
    def name(self) -> str:
        return f"{self.method} on {self.platform}"

    @property
    def adapts(self) -> bool:
        """False for the model as it is, which no task changes."""
        return self.trained > 0

    @property
    def energy(self) -> Costs:
        """Joules; those of the switch beside running inferences where that was simulated."""
        switch = self.switch_energy_j if self.overlap is None else self.overlap.extra_j
        return Costs(self.inference_energy_j, switch, self.learning_energy_j, self.once_energy_j)

    @property
    def latency(self) -> Costs:
        """Seconds; only what a switch delays where it was simulated beside inferences."""
        switch = self.switch_latency_s if self.overlap is None else self.overlap.delay_s
        return Costs(self.inference_latency_s, switch, self.learning_latency_s, self.once_latency_s)


class ComparisonRow(MethodFigures):
    """The same, and what it makes of the scenario.

    switches: those that write, of all tasks; amortised_*: of the whole scenario, over its
    inferences; gpu_ratio: amortised energy over that of the first GPU's best row.
    """

    switches: int
    amortised_energy_j: float
    amortised_latency_s: float
    gpu_ratio: float | None = None


class Unfit(Record):
    """A method that a platform cannot run, and why."""

    method: str
    platform: str
    reason: str


class Crossing(Record):
    """When `row` costs less than `than`; inferences_per_task: where they cost the same."""

    row: str
    than: str
    quantity: Literal["energy", "latency"]
    answer: Answer
    inferences_per_task: float | None = None


class ComparisonInputs(Record):
    """What was compared, so that it can be repeated."""

    arch: str
    arch_name: str
    arch_sha256: str
    trace: str
    trace_name: str
    trace_sha256: str
    methods: list[dict[str, Any]]
    gpus: list[dict[str, Any]]
    scenario: str
    options: dict[str, Any]
    archsim: str


class Comparison(Record):
    """Methods and GPUs on one model and scenario.

    tasks, inferences: of the scenario; learning: whether learning on the device is counted.
    """

    archsim_comparison_result: Annotated[Literal[1], Field(description="format version")] = 1
    name: str
    inputs: ComparisonInputs
    tasks: int
    inferences: int
    rows: Annotated[list[ComparisonRow], Field(min_length=1)]
    unfit: list[Unfit] = []
    break_even: list[Crossing] = []

    @property
    def inferences_per_task(self) -> float:
        return self.inferences / self.tasks

    def frame(self) -> pd.DataFrame:
        """One row per method and platform."""
        import pandas as pd

        return pd.DataFrame([row.model_dump() for row in self.rows])
