"""Synthetic Programs for benchmarks."""

from __future__ import annotations

from archsim.program import Program, ProgramBuilder


def contended(flows: int, instances: int, flows_per_adc: int = 4) -> Program:
    """Flows that share one bus and, by fours, an ADC: every service waits for others.

    Each instance takes the bus, is read bit by bit from an array of its own (8 beats, held),
    converted on the shared ADC (8 beats) and takes the bus again: 18 services.
    """
    return _layers(flows, instances, flows_per_adc).build()


def pipelined(flows: int, instances: int, per_pipeline: int = 4, room: int = 4) -> Program:
    """`contended`, but the flows that share an ADC are a pipeline with bounded buffers.

    Each flow needs its predecessor's instance and may be at most `room` ahead of its successor. So
    what is under way is bounded, and the run reaches a steady state.
    """
    builder = _layers(flows, instances, per_pipeline)
    for flow in range(flows):
        if flow % per_pipeline:
            builder.depend(flow, flow - 1)
            builder.depend(flow - 1, flow, [-room], name=f"buffer of {room}")
    return builder.build()


def _layers(flows: int, instances: int, flows_per_adc: int) -> ProgramBuilder:
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
    return builder
