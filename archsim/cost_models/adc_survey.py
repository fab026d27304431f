"""ADCs as they have been built: energy and area by resolution, rate and node."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from archsim.cost_models.base import CostModel, Price, Structure, Technology, within
from archsim.schema.units import Count

BITS, NODES, RATES = (2.0, 13.0), (3.0, 180.0), (1e3, 2e11)


class AdcSurvey(CostModel):
    """Medians over 363 Nyquist converters of the survey, regressed in logarithms.

    Energy of a conversion in pJ is the larger of 10^(-0.445 + 0.1525 b), which no rate lowers, and
    10^(-1.121 + 0.2316 b) (node / 32 nm)^2.919 (rate / 1 GHz)^0.419; area in mm2 is 10^(-2.091 +
    0.1291 b) (node / 32 nm)^1.657 (rate / 1 GHz)^0.2926, where b is the resolution, taken as the
    effective number of bits. One converter is typically a factor of 2.4 in energy, and of 3 in
    area, away. `scripts/fit_adc_survey.py` makes the numbers.
    """

    model: Literal["adc_survey"]
    converters: Annotated[Count, Field(description="that share the rate, side by side")] = 1

    source: ClassVar[str] = (
        "regression over B. Murmann, ADC Performance Survey 1997-2025 "
        "(github.com/bmurmann/ADC-survey), 363 Nyquist converters"
    )
    kinds: ClassVar[frozenset[str]] = frozenset({"adc"})

    def price(self, part: Structure, at: Technology) -> Price:
        bits = within("a resolution", part.need("resolution"), *BITS, " b")
        node = within("a node", at.node * 1e9, *NODES, " nm")
        rate = within("a rate", part.need("rate") / self.converters, *RATES, " Sa/s")
        finer, faster = math.log10(node / 32), math.log10(rate / 1e9)
        energy = max(
            -0.445 + 0.1525 * bits, -1.121 + 0.2316 * bits + 2.919 * finer + 0.419 * faster
        )
        area = -2.091 + 0.1291 * bits + 1.657 * finer + 0.2926 * faster
        return Price({"conversion": 1e-12 * 10**energy}, area=self.converters * 10**area)
