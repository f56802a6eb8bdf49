"""Counts the rooms of the house (top-level files and packages of engine/ and desktop/), its floors, arrows and circles.

`.venv/bin/python tools/house.py` prints them, with `--arrows` each arrow too. Imports for types and imports inside functions
count like any other. A room stands one floor above the highest room that it imports.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
PACKAGES: Final = ("engine", "desktop")

Graph = Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class House:
    """`rooms`: what each room imports; `modules`: the same of every module; `floors`: per room, the ground is 0."""

    modules: Graph
    rooms: Graph

    @property
    def arrows(self) -> int:
        """How many pairs of rooms there are of which one imports the other."""
        return sum(map(len, self.rooms.values()))

    @property
    def circles(self) -> list[list[str]]:
        """Groups of modules that import each other, at once or round a corner."""
        return sorted(sorted(group) for group in _components(self.modules) if len(group) > 1)

    @property
    def room_circles(self) -> list[list[str]]:
        """The same of rooms."""
        return sorted(sorted(group) for group in _components(self.rooms) if len(group) > 1)

    @property
    def floors(self) -> dict[str, int]:
        """Per room; those of one circle stand on one floor."""
        floors: dict[str, int] = {}
        for group in _components(self.rooms):  # what is imported comes first
            below = [floors[other] for room in group for other in self.rooms[room] if other not in group]
            floors |= dict.fromkeys(group, max(below, default=-1) + 1)
        return floors


def build(root: Path = ROOT) -> House:
    """Read all imports below `root`."""
    files = {_name(file, root): file for package in PACKAGES for file in (root / package).rglob("*.py")}
    modules = {name: frozenset(_imports(name, file, files)) for name, file in files.items()}
    rooms: dict[str, set[str]] = {}
    for name, imported in modules.items():
        own = rooms.setdefault(_room(name), set())
        own |= {_room(other) for other in imported} - {_room(name)}
    return House(modules, {room: frozenset(imported) for room, imported in rooms.items()})


def _name(file: Path, root: Path) -> str:
    parts = file.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _room(module: str) -> str:
    return ".".join(module.split(".")[:2])


def _imports(name: str, file: Path, files: Mapping[str, Path]) -> Iterator[str]:
    """The modules of ours that a file imports; `from package import module` is an import of the module."""
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            found = [one if one in files else node.module for one in inner]
        else:
            continue
        yield from (one for one in found if one in files and one not in (name, *PACKAGES))


def _components(graph: Graph) -> list[list[str]]:
    """Groups of nodes that reach each other, those that are reached first (Tarjan)."""
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    groups: list[list[str]] = []

    def visit(node: str) -> None:
        order[node] = low[node] = len(order)
        stack.append(node)
        for other in sorted(graph.get(node, ())):
            if other not in order:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], order[other])
        if low[node] == order[node]:
            at = stack.index(node)
            groups.append(stack[at:])
            del stack[at:]

    for node in sorted(graph):
        if node not in order:
            visit(node)
    return groups


def main() -> None:
    """Print the house, top floor first."""
    house = build()
    floors = house.floors
    for floor in sorted(set(floors.values()), reverse=True):
        sys.stdout.write(f"{floor:3d}  {'  '.join(sorted(r for r in floors if floors[r] == floor))}\n")
    sys.stdout.write(
        f"{len(floors)} rooms, {max(floors.values()) + 1} floors, {house.arrows} arrows, "
        f"circles of rooms {house.room_circles}, of modules {house.circles}\n"
    )
    if "--arrows" in sys.argv:
        for room in sorted(house.rooms, key=lambda room: -floors[room]):
            sys.stdout.write(f"{room} -> {' '.join(sorted(house.rooms[room]))}\n")


if __name__ == "__main__":
    main()
