"""What a mapping chooses: how often each operation stands on the chip."""

from __future__ import annotations

from pydantic import Field

from archsim.schema import Model
from archsim.schema.ranges import Whole
from archsim.schema.units import Count


class Share(Model):
    """How an operation is shared out over tiles.

    copies: lanes, that share the positions; shards: tiles of each that share the channels.
    """

    copies: Count = 1
    shards: Count = 1


class Choice(Model):
    """Shares by operation name; what is not in it is left to the rules.

    pace: seconds per inference that the mapping aims at, 0 for the shortest; reserve: PEs that stay
    free for what else the chip must hold.
    """

    shares: dict[str, Share] = {}
    pace: float = Field(default=0.0, ge=0, le=1e9)
    reserve: Whole = 0

    def with_share(self, name: str, share: Share) -> Choice:
        """The same with one operation shared out otherwise."""
        return self.model_copy(update={"shares": {**self.shares, name: share}})
