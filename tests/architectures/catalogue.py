"""All architectures by name."""

from __future__ import annotations

from architectures.case import Case
from architectures.convolutional import CONVOLUTIONAL
from architectures.encoders import ENCODERS
from architectures.generators import GENERATORS
from architectures.others import OTHERS
from architectures.vision import VISION

ARCHITECTURES: dict[str, Case] = {**ENCODERS, **GENERATORS, **VISION, **CONVOLUTIONAL, **OTHERS}
