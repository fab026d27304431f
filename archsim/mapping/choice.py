"""What a mapping chooses: how often each operation stands on the chip."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Share:
    """lanes: copies that share the positions; shards: tiles of each that share the channels."""

    lanes: int = 1
    shards: int = 1


@dataclass(frozen=True)
class Choice:
    """Shares by operation name; what is not in it is left to the rules.

    pace: seconds per inference that the mapping aims at; chips: how many it is for; reserve: PEs
    that stay free for what else the chip must hold.
    """

    shares: Mapping[str, Share] = field(default_factory=dict)
    pace: float = 0.0
    chips: int = 1
    reserve: int = 0
