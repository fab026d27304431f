"""Stages that move data: buffer to bus, tile to tile over the network, and into buffers."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from archsim.arch.model import Architecture
from archsim.components.buffer import Buffer
from archsim.components.bus import Bus
from archsim.mapping.graph import HOST
from archsim.mapping.network import Network
from archsim.mapping.spans import Targets, bits_of
from archsim.mapping.writer import Writer

TILE = "chip.tile"


class Transport:
    """Writes the transfers of the lane that is open; `parents` are stages of that lane."""

    def __init__(self, arch: Architecture, network: Network, writer: Writer):
        buffer, bus = arch.chip.tile.find(Buffer), arch.chip.tile.find(Bus)
        assert buffer is not None and bus is not None  # checked when the chip was loaded
        self.buffer_path, self.buffer = f"{TILE}.{buffer[0]}", buffer[1]
        self.bus_path, self.bus = f"{TILE}.{bus[0]}", bus[1]
        self.network, self.writer = network, writer

    def fetch(self, tile: int, bits: int) -> int:
        """Read from a tile's buffer and move over its bus."""
        read = self.writer.work(self.buffer_path, (tile,), self.buffer.access(bits))
        return self.to_bus(tile, bits, [read])

    def to_bus(self, tile: int, bits: int, parents: Sequence[int] = ()) -> int:
        """Move over a tile's bus."""
        return self.writer.work(self.bus_path, (tile,), self.bus.transfer(bits), parents)

    def deliver(self, source: int, bits: int, whom: Targets, parents: Sequence[int]) -> None:
        """Send (parts of) a vector of `bits` to the buffers of all who need it."""
        arrived = self.send(source, whom, bits, parents)
        for tile, (end, share) in sorted(arrived.items()):
            if tile == HOST and end >= 0:
                continue
            write = self.buffer.access(bits_of(bits, share))
            place = source if tile == HOST else tile  # without a link the host reads the buffer
            after = parents if end < 0 else [end]
            self.writer.work(self.buffer_path, (place,), write, after)

    def send(
        self, source: int, whom: Targets, bits: int, parents: Sequence[int]
    ) -> dict[int, tuple[int, Fraction]]:
        """Stages of a message along a multicast tree.

        For each tile the last stage before it (-1: it was there already) and its share of `bits`.
        """
        network, writer = self.network, self.writer
        tree = network.tree(source, whom)
        stages: list[int] = []
        for link, before, share in zip(tree.links, tree.parents, tree.share, strict=True):
            carried = bits_of(bits, share)
            if link[0] == "off":
                assert network.link is not None
                path = f"chip.{network.link_name}"
                beats, work = 1, network.link.transfer(carried)
            else:
                assert network.router is not None
                path = f"chip.{network.router_name}"
                beats, work = network.router.packets(carried)
            stages.append(
                writer.repeat(path, link, work, beats, parents if before < 0 else [stages[before]])
            )
        return {
            tile: (stages[at] if at >= 0 else -1, share) for tile, (at, share) in tree.leaf.items()
        }
