"""Random Programs: shared resources, lanes, fork and join, windows, credits, slopes."""

from __future__ import annotations

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
        builder.flow(f"f{flow}", instances)
        for _ in range(draw(st.sampled_from([1, 1, 2, 3]))):
            builder.lane()
            stages: list[int] = []
            chained = draw(st.booleans())  # a shared head and private stages: can be merged
            for _ in range(draw(st.integers(1, 6))):
                slope = draw(st.sampled_from([0, 0, 0, 1, -1]))
                service = draw(small) + (instances if slope < 0 else 0)
                parents = draw(st.lists(st.sampled_from(stages), max_size=2)) if stages else []
                private = draw(st.booleans())
                beats, hold = draw(st.integers(1, 5)), draw(st.booleans())
                if chained:
                    service, private = service + 1, bool(stages)
                    beats = beats if stages else 1
                    parents = parents or stages[-1:]
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
