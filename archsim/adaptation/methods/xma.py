"""XMA: a shift of several levels per crossbar column adapts frozen weights."""

from __future__ import annotations

from typing import ClassVar, Literal

from archsim.adaptation.adapted import Adapted
from archsim.adaptation.masks import column_masks
from archsim.adaptation.method import Method, Modules
from archsim.arch.model import Architecture
from archsim.schema.ranges import BitWidth, PositiveShare
from archsim.trace.model import Trace


class XMA(Method):
    """The sum of each crossbar column is shifted by a learnt number of places; cells stay.

    Zhang et al., XMA, DAC 2022. bits: of a column's shift; 2 is an assumption. Its abstract's
    96.6 % less memory than Piggyback is 2.4 times the 1.4 % that XBM's abstract states for one
    bit, and 2 bits in arrays of 64 rows give 96.9 %. The widths themselves could not be read.
    kept: share of the columns whose factor is not zero; the others are not digitised.
    """

    kind: Literal["xma"]
    bits: BitWidth = 2
    kept: PositiveShare = 1.0
    modules: Modules = None

    title: ClassVar[str] = "XMA"
    paper: ClassVar[str] = "Zhang et al., DAC 2022"

    def adapt(self, trace: Trace, arch: Architecture) -> Adapted:
        return column_masks(trace, arch, self.modules, bits=self.bits, kept=self.kept)
