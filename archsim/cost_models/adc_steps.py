"""ADCs that give one output bit per step, such as a neuron that integrates and compares."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from archsim.cost_models.adc_sar import COMPARATOR, GATES_PER_BIT, K1
from archsim.cost_models.base import CostModel, Price, Structure, Technology
from archsim.cost_models.gates import Gates
from archsim.schema.units import Count, Duration, Energy


class AdcSteps(CostModel):
    """`resolution` steps a conversion, each of `step_time` and `step_energy`.

    Without `step_energy` a step costs 100 fF V^2, that of a successive-approximation bit.
    """

    model: Literal["adc_steps"]
    step_time: Annotated[Duration, Field(description="of one output bit")] = 0.0
    step_energy: Annotated[Energy, Field(description="of one output bit")] = 0.0
    converters: Annotated[Count, Field(description="that share the rate, side by side")] = 1

    source: ClassVar[str] = "steps of one bit; 100 fF V^2 a step unless given (Murmann, TVLSI 2021)"
    kinds: ClassVar[frozenset[str]] = frozenset({"adc"})
    fills: ClassVar[frozenset[str]] = frozenset({"rate"})

    def price(self, part: Structure, at: Technology) -> Price:
        bits = part.need("resolution")
        energy = bits * (self.step_energy or K1 * at.supply**2)
        area = (GATES_PER_BIT * bits + COMPARATOR) * Gates(at).area * self.converters
        fields = {}
        if self.step_time or not part.get("rate"):
            fields["rate"] = self.converters / (bits * part.need("step_time"))
        return Price({"conversion": energy}, area=area, fields=fields)
