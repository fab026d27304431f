"""The order of a directed graph given as the parents of each node."""

from __future__ import annotations

import heapq


def topological_order(parents: list[list[int]]) -> list[int]:
    """Nodes with parents first, otherwise in their own order (Kahn, smallest index first).

    Nodes on a cycle, and those that depend on one, are left out.
    """
    children: list[list[int]] = [[] for _ in parents]
    missing = [len(set(mine)) for mine in parents]
    for node, mine in enumerate(parents):
        for parent in set(mine):
            children[parent].append(node)
    ready = [node for node, count in enumerate(missing) if count == 0]
    order = []
    while ready:
        node = heapq.heappop(ready)
        order.append(node)
        for child in children[node]:
            missing[child] -= 1
            if missing[child] == 0:
                heapq.heappush(ready, child)
    return order


def find_cycle(parents: list[list[int]], sorted_nodes: set[int]) -> list[int]:
    """A cycle among the nodes that `topological_order` left out, each node feeding the next.

    It starts at its smallest node. sorted_nodes: what `topological_order` returned.
    """
    node = next(n for n in range(len(parents)) if n not in sorted_nodes)
    walk: list[int] = []
    while node not in walk:
        walk.append(node)
        node = next(p for p in parents[node] if p not in sorted_nodes)
    cycle = walk[walk.index(node) :][::-1]  # the walk went from child to parent
    start = cycle.index(min(cycle))
    return cycle[start:] + cycle[:start]
