"""The interval that arrays and their converters allow, with all the copies that fit."""

from __future__ import annotations

from archsim.limits.demand import IN_ARRAYS, READS, Demand

PRECISION = 1e-9  # relative, of the search for the interval


def shared_arrays(
    demands: list[Demand], planes: int, *, resident: bool = True
) -> tuple[float, str, str]:
    """(seconds per inference, what binds, in which operation) of layers that share `planes` arrays.

    Let n arrays (planes of macros) hold weights of a layer, copies counted. Each of them is read
    by itself and is wired to one converter and one adder, so the layer's reads of an inference
    take at least W / n, for W their time on one array, and so do its conversions and additions;
    in an interval T the layer needs n >= W / T. One copy at least is there, n >= its arrays a.
    Arrays hold one layer at a time, so the sum of max(a, W / T) over all layers is at most
    `planes`. The least T for which that holds is the bound, true for fractional copies and so for
    whole ones, and whichever parts of a layer are copied. With weights that take turns
    (resident=False) n >= a falls away: an array then serves several layers in an interval, each
    for a part of it, and the sum of W is at most T x `planes`.
    """
    layers = [demand for demand in demands if demand.arrays]
    if not layers:
        return 0.0, READS, ""
    work = [_slowest(demand) for demand in layers]
    heaviest = max(range(len(layers)), key=lambda i: work[i][0])
    kind, name = work[heaviest][1], layers[heaviest].operation.name
    if not resident:
        return max(sum(w for w, _ in work) / planes, 0.0), kind, name
    if sum(demand.arrays for demand in layers) > planes:  # it does not fit: no mapping at all
        return 0.0, kind, name

    def fits(interval: float) -> bool:
        wanted = (max(d.arrays, w / interval) for d, (w, _) in zip(layers, work, strict=True))
        return sum(wanted) <= planes

    high = max(w / d.arrays for d, (w, _) in zip(layers, work, strict=True))  # one copy each
    low = 0.0
    while high - low > PRECISION * high:
        middle = (low + high) / 2
        low, high = (low, middle) if middle > 0 and fits(middle) else (middle, high)
    slowest = max(
        range(len(layers)), key=lambda i: (work[i][0] / layers[i].arrays >= low, work[i][0])
    )
    return low, work[slowest][1], layers[slowest].operation.name


def _slowest(demand: Demand) -> tuple[float, str]:
    """Seconds of one array's worth of hardware per inference, and of which kind."""
    positions = demand.operation.positions
    return max(
        (demand.seconds[kind] * positions, kind) for kind in IN_ARRAYS if kind in demand.seconds
    )
