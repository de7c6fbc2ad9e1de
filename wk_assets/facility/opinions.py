"""How far several results on one place agree with one another, two by two. Pure numbers."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Self

import networkx as nx


@dataclass(frozen=True, slots=True)
class Opinions:
    """Hold the agreement, from 0 to 1, of pairs of results, by their sorted names."""

    names: tuple[str, ...]
    pairs: Mapping[tuple[str, str], float]

    @classmethod
    def of(cls, agreement: Mapping[str, Mapping[str, float]]) -> Self:
        """Take what each result says of the others; where two say different things of one another the lower one counts."""
        names = tuple(sorted(agreement))
        pairs: dict[tuple[str, str], float] = {}
        for one, other in combinations(names, 2):
            told = [agreement[a][b] for a, b in ((one, other), (other, one)) if b in agreement[a]]
            if told:
                pairs[one, other] = min(told)
        return cls(names, pairs)

    @property
    def all_compared(self) -> bool:
        """Say whether the agreement of every pair is known."""
        return len(self.pairs) == len(self.names) * (len(self.names) - 1) // 2

    @property
    def mean(self) -> float:
        """Give the mean agreement of the pairs that are known; 1 where there is none."""
        return sum(self.pairs.values()) / len(self.pairs) if self.pairs else 1.0

    def agreeing(self, threshold: float) -> list[str]:
        """Give the largest set of results of which every two agree at least so much; of several the first by name."""
        graph: nx.Graph[str] = nx.Graph()
        graph.add_nodes_from(self.names)
        graph.add_edges_from(pair for pair, agreement in self.pairs.items() if agreement >= threshold)
        sets = [sorted(one) for one in nx.find_cliques(graph)]
        return min(sets, key=lambda one: (-len(one), one), default=[])

    def best(self, among: Collection[str]) -> str:
        """Give the result that agrees most with the others among some; of several the first by name."""
        return min(sorted(among), key=lambda name: -sum(self._with(name, other) for other in among if other != name))

    def _with(self, one: str, other: str) -> float:
        return self.pairs.get((min(one, other), max(one, other)), 0.0)
