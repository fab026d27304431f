"""Random Programs: shared resources, lanes, fork and join, windows, credits, slopes."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from archsim.program import Program, ProgramBuilder


@st.composite
def programs(draw: st.DrawFn, max_flows: int = 5, max_instances: int = 9) -> Program:
    """A Program with every feature of the contract; it may deadlock."""
    builder = ProgramBuilder()
    small = st.integers(0, 6)
    resources = [
        builder.resource(f"r{i}", draw(st.sampled_from([1, 1, 1, 2, 3])))
        for i in range(draw(st.integers(1, 5)))
    ]
    sizes: list[int] = []
    for flow in range(draw(st.integers(1, max_flows))):
        instances = draw(st.integers(1, max_instances))
        sizes.append(instances)
        round_of, every = draw(st.sampled_from([0, 0, 1, 2, 3, 5])), draw(st.integers(1, 3))
        steps = -(-min(round_of or instances, instances) // every)
        growth = draw(st.lists(st.integers(0, instances - 1), min_size=steps, max_size=steps))
        growth = draw(st.sampled_from([[], growth]))  # as a mask has it, or one more at each step
        builder.flow(f"f{flow}", instances, round=round_of, every=every, growth=growth)
        for _ in range(draw(st.sampled_from([1, 1, 2, 3]))):
            builder.lane()
            stages: list[int] = []
            # chained: a shared head and private stages can be merged; alone: nobody disturbs them
            kind = draw(st.sampled_from(["any", "any", "chained", "chained", "alone"]))
            for _ in range(draw(st.integers(1, 6))):
                slope = draw(st.sampled_from([0, 0, 0, 1, -1]))
                service = draw(small) + (instances if slope < 0 else 0)
                parents = draw(st.lists(st.sampled_from(stages), max_size=2)) if stages else []
                private = draw(st.booleans())
                beats, hold = draw(st.integers(1, 5)), draw(st.booleans())
                if kind == "chained":
                    service, private = service + 1, bool(stages)
                    beats = beats if stages else 1
                    parents = parents or stages[-1:]
                elif kind == "alone":
                    service, private = service + draw(st.integers(0, 1)), True
                resource = (
                    builder.resource(f"p{flow}.{len(stages)}")
                    if private
                    else draw(st.sampled_from(resources))
                )
                copies = draw(st.integers(1, 3)) if private else 1  # arrays in lock-step
                for copy in range(copies):
                    if copy:
                        resource = builder.resource(f"p{flow}.{len(stages)}")
                    stages.append(
                        builder.stage(
                            resource,
                            service,
                            beats=beats,
                            slope=slope,
                            hold=hold,
                            action=draw(st.integers(-1, 3)),
                            count=draw(small),
                            parents=parents,
                        )
                    )
    for child in range(len(sizes)):
        for _ in range(draw(st.integers(0, 2))):
            parent = draw(st.integers(0, len(sizes) - 1))
            if parent < child:
                _data_edge(draw, builder, child, parent, sizes)
            elif parent > child:  # a credit: the child may run ahead of its consumer
                slack = draw(st.integers(1, 4))
                table = [-slack] if sizes[child] - slack <= sizes[parent] else [-sizes[child]]
                builder.depend(child, parent, table, name=f"credit {child}-{parent}")
    return builder.build()


def _data_edge(
    draw: st.DrawFn, builder: ProgramBuilder, child: int, parent: int, sizes: list[int]
) -> None:
    last = sizes[parent] - 1
    name = f"data {parent}-{child}"
    kind = draw(st.sampled_from(["one to one", "all", "window", "blocks"]))
    if kind == "one to one" and sizes[child] <= sizes[parent]:
        builder.depend(child, parent, name=name)
    elif kind == "blocks":  # every `period` children need the next `step` parents
        period = draw(st.integers(1, sizes[child]))
        rounds = -(-sizes[child] // period)
        step = sizes[parent] // rounds
        repeat = draw(st.integers(1, period))
        table = [step - 1] * -(-period // repeat)
        builder.depend(child, parent, table, period=period, step=step, repeat=repeat, name=name)
    elif kind == "window":
        table = sorted(
            draw(st.lists(st.integers(-1, last), min_size=sizes[child], max_size=sizes[child]))
        )
        builder.depend(child, parent, table, period=sizes[child], step=last + 1, name=name)
    else:
        builder.depend(
            child, parent, [last], period=sizes[child], repeat=sizes[child], step=0, name=name
        )


@st.composite
def long_programs(draw: st.DrawFn, most: int = 150) -> Program:
    """Few small flows of many instances with bounded buffers: many reach a steady state.

    Some end early, start late, grow all the time or in rounds, or run ahead without a bound.
    """
    builder = ProgramBuilder()
    shared = [
        builder.resource(f"r{i}", draw(st.sampled_from([1, 1, 2])))
        for i in range(draw(st.integers(1, 2)))
    ]
    unit = 10 * draw(st.integers(2, most // 20))
    ratios = [draw(st.sampled_from([1, 1, 1, 2])) for _ in range(draw(st.integers(1, 4)))]
    sizes = [unit * ratio for ratio in ratios]
    for flow, instances in enumerate(sizes):
        grows = draw(st.sampled_from([0, 0, 0, 0, 1]))
        round_of = draw(st.sampled_from([0, 2, 4, 30])) if grows else 0
        every = draw(st.sampled_from([1, 2, 50])) if grows else 1
        most = draw(st.sampled_from([None, None, 1, 3]))  # a window: growth ends
        steps = -(-min(round_of or instances, instances) // every)
        growth = [] if most is None else np.minimum(np.arange(steps), most)
        builder.flow(f"f{flow}", instances, round=round_of, every=every, growth=growth)
        for _ in range(draw(st.sampled_from([1, 1, 1, 2]))):
            builder.lane()
            stages: list[int] = []
            for _ in range(draw(st.integers(1, 3))):
                own = builder.resource(f"p{flow}.{len(stages)}")
                stages.append(
                    builder.stage(
                        draw(st.sampled_from([own, *shared])),
                        draw(st.integers(0, 5)) + (not stages),
                        beats=draw(st.sampled_from([1, 1, 2, 3])),
                        slope=grows * draw(st.integers(0, 1)),
                        hold=draw(st.booleans()),
                        parents=stages[-1:],
                    )
                )
    for child in range(1, len(sizes)):
        parent = draw(st.integers(0, child - 1))
        kind = draw(st.sampled_from(["one to one", "one to one", "window", "last", "none"]))
        ratio = sizes[child] // sizes[parent]  # 0, 1 or 2
        period, step = (1, 2) if ratio == 0 else (ratio, 1)
        table = [step - 1] * period
        if kind == "last":
            builder.depend(child, parent, [draw(st.integers(0, sizes[parent] - 1))],
                           period=sizes[child], repeat=sizes[child], step=0)  # fmt: skip
        elif kind == "window":  # a raster scan of some rows, wider at first
            rows = draw(st.sampled_from([2, 5]))
            span = sizes[child] // rows
            g = np.minimum(np.arange(span) * step // period + step, span * step // period - 1)
            builder.depend(child, parent, g, period=span, step=span * step // period)
        elif kind == "one to one":
            builder.depend(child, parent, table, period=period, step=step)
            room = draw(st.sampled_from([0, 1, 2, 3, 10]))
            if room:  # a buffer of some places
                back, forth = (2, 1) if ratio == 0 else (1, ratio)
                builder.depend(parent, child, [forth - 1 - (room + 1) * forth] * back,
                               period=back, step=forth, name="room")  # fmt: skip
    return builder.build()
