"""XBM: a binary mask over crossbar columns adapts frozen weights."""

from __future__ import annotations

from typing import ClassVar, Literal

from archsim.adaptation.adapted import Adapted
from archsim.adaptation.masks import column_masks
from archsim.adaptation.method import Method, Modules
from archsim.arch.model import Architecture
from archsim.schema.ranges import PositiveShare
from archsim.trace.model import Trace


class XBM(Method):
    """One bit per crossbar column switches the column off for a task; cells stay as they are.

    Zhang et al., XBM, ASP-DAC 2022. kept: share of the columns that the mask leaves on; columns
    that are off are not digitised.
    """

    kind: Literal["xbm"]
    kept: PositiveShare = 1.0
    modules: Modules = None

    title: ClassVar[str] = "XBM"
    paper: ClassVar[str] = "Zhang et al., ASP-DAC 2022"

    def adapt(self, trace: Trace, arch: Architecture) -> Adapted:
        return column_masks(trace, arch, self.modules, bits=1, kept=self.kept)
