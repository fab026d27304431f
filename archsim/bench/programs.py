"""Synthetic Programs for benchmarks."""

from __future__ import annotations

from archsim.program import Program, ProgramBuilder


def contended(flows: int, instances: int, flows_per_adc: int = 4) -> Program:
    """Flows that share one bus and, by fours, an ADC: every service waits for others.

    Each instance takes the bus, is read bit by bit from an array of its own (8 beats, held),
    converted on the shared ADC (8 beats) and takes the bus again: 18 services.
    """
    builder = ProgramBuilder()
    bus = builder.resource("bus")
    adcs = [builder.resource(f"adc{i}") for i in range(-(-flows // flows_per_adc))]
    for flow in range(flows):
        array = builder.resource(f"array{flow}")
        builder.flow(f"layer{flow}", instances)
        builder.lane()
        fetch = builder.stage(bus, 3)
        read = builder.stage(array, 100, beats=8, hold=True, parents=[fetch])
        convert = builder.stage(adcs[flow // flows_per_adc], 40, beats=8, parents=[read])
        builder.stage(bus, 2, parents=[convert])
    return builder.build()
