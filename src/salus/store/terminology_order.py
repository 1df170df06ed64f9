"""Ranks of concepts so that what lies beneath one is a few runs of ranks (tree cover of a directed graph).

Concepts are numbered as a walk through the hierarchy meets them. What hangs beneath a concept in the walk
is one run of numbers; what it has besides, by other parents, adds the runs of those. A question of
subsumption is then one look into a handful of runs (Agrawal, Borgida, Jagadish: Efficient management of
transitive relationships in large data and knowledge bases, SIGMOD 1989).
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from typing import TypeAlias

Runs: TypeAlias = "array[int]"
"""First and last rank of each run, one after the other, in order."""


def ranks_and_runs(children: Sequence[Sequence[int]], roots: Sequence[int]) -> tuple[list[int], list[Runs]]:
    """Return the rank of each concept, from 1 on, and the runs of ranks beneath and with it.

    Args:
        children: of each concept, in order.
        roots: concepts without parents; what they do not reach (a circle) follows after them.
    """
    count = len(children)
    rank = [0] * count
    unread = array("I")
    runs: list[Runs] = [unread] * count
    following = 0
    for start in (*roots, *range(count)):
        if rank[start]:
            continue
        following += 1
        rank[start] = following
        pending = [(start, iter(children[start]))]
        while pending:
            node, rest = pending[-1]
            for child in rest:
                if not rank[child]:
                    following += 1
                    rank[child] = following
                    pending.append((child, iter(children[child])))
                    break
            else:
                pending.pop()
                runs[node] = _runs_of(rank[node], following, [runs[child] for child in children[node]])
    return rank, runs


def _runs_of(first: int, last: int, beneath: Sequence[Runs]) -> Runs:
    """Return the runs of a concept: its own, and those beneath it that lie outside it."""
    found = {(first, last)}
    for one in beneath:
        found.update(pair for pair in pairs(one) if not first <= pair[0] <= pair[1] <= last)
    return joined(found)


def pairs(runs: Runs) -> Iterator[tuple[int, int]]:
    """Yield first and last rank of each run."""
    return zip(runs[::2], runs[1::2], strict=True)


def joined(found: set[tuple[int, int]]) -> Runs:
    """Return runs in order, those that touch or overlap made one."""
    result = array("I")
    for low, high in sorted(found):
        if result and low <= result[-1] + 1:
            result[-1] = max(high, result[-1])
        else:
            result.extend((low, high))
    return result
