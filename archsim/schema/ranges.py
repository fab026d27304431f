"""Types of numbers without a unit, each with the range that a file may give.

Together with the quantities of `units.py` these are the types of every number that a user writes,
so that a new field has its range by its type; tests/test_ranges.py refuses a field without one.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from archsim.schema.units import MOST, WIDEST

LARGEST = 2**63 - 1
"""The largest whole number that any file may hold: what an int64 array takes."""

Size = Annotated[int, Field(ge=1, le=MOST)]
"""An extent of a tensor, how many of something: 1 to 10^9."""
Whole = Annotated[int, Field(ge=0, le=MOST)]
"""A number of something that there may be none of: 0 to 10^9."""
Few = Annotated[int, Field(ge=1, le=10_000)]
"""How many of something that is held one by one: steps, pulses, points of a generation."""
Total = Annotated[int, Field(ge=0, le=LARGEST)]
"""A sum over many things: samples, parameters, inferences."""
BitWidth = Annotated[int, Field(ge=1, le=WIDEST)]
"""Bits of a number of the model: 1 to 32."""
Seed = Annotated[int, Field(ge=0, le=LARGEST)]
"""Of random draws."""
Share = Annotated[float, Field(ge=0, le=1)]
"""A part of a whole, none and all included."""
PositiveShare = Annotated[float, Field(ge=1e-9, le=1)]
"""A part of a whole that is not nothing."""
Ratio = Annotated[float, Field(ge=1e-9, le=1e9)]
"""A factor."""
Times = Annotated[float, Field(ge=1, le=1e30)]
"""How often a thing can be done, such as writing a cell until it is worn."""
Scale = Annotated[float, Field(ge=5e-324, le=1e300)]
"""The real value of one code: as small as a number of 64 bits can be."""
Real = Annotated[float, Field(ge=-1e300, le=1e300)]
"""Any real number."""
Integer = Annotated[int, Field(ge=-LARGEST, le=LARGEST)]
"""Any whole number."""
