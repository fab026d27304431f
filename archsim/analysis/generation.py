"""How fast a run generated tokens: the first one, and each that followed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archsim.result import Generated

if TYPE_CHECKING:
    from archsim.engine.activity import Activity
    from archsim.mapping.mapped import Mapped
    from archsim.trace.model import Trace


def generated(trace: Trace, mapped: Mapped, activity: Activity) -> Generated | None:
    """Times of the first inference of a batch; None for a trace that generates nothing.

    The first token is there when the scores of the prompt's last position are, of all interleaved
    sequences; the decode steps follow one another from then on.
    """
    generation = trace.generation
    if generation is None:
        return None
    (source,) = [info for info in mapped.operations if generation.source in info.layers]
    steps = activity.finish[source.flows[1]][: source.positions]
    by_step = steps.reshape(generation.decode + 1, generation.sequences).max(axis=1)
    first, last = (float(by_step[i]) * mapped.tick for i in (0, -1))
    step = (last - first) / generation.decode if generation.decode else 0.0
    return Generated(
        prompt=generation.prompt,
        decode=generation.decode,
        sequences=generation.sequences,
        first_token_s=first,
        step_s=step,
        tokens_per_s=generation.sequences / step if step else 0.0,
    )
