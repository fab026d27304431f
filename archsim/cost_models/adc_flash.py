"""Flash ADCs: a comparator for every level."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from archsim.cost_models.base import CostModel, Price, Structure, Technology, within
from archsim.schema.units import Count

LEVEL = 173e-15  # F
LEVEL_AREA = 903e-6  # mm2
AT = Technology(65e-9)


class AdcFlash(CostModel):
    """173 fF V^2 and 903 um2 at 65 nm for each of 2^b levels: medians of three flash converters.

    Other nodes by the scaling of logic, which comparators and their clocks are.
    """

    model: Literal["adc_flash"]
    converters: Annotated[Count, Field(description="that share the rate, side by side")] = 1

    source: ClassVar[str] = (
        "medians over the flash converters at 65 nm and below in B. Murmann, ADC Performance "
        "Survey 1997-2025"
    )
    kinds: ClassVar[frozenset[str]] = frozenset({"adc"})

    def price(self, part: Structure, at: Technology) -> Price:
        levels = 2 ** within("a resolution", part.need("resolution"), 1, 8, " b")
        return Price(
            {"conversion": levels * LEVEL * AT.supply**2 * at.energy_over(AT)},
            area=self.converters * levels * LEVEL_AREA * at.area_over(AT),
        )
