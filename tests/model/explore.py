"""Breadth first through every world that can come about; the shortest way to the first that must not be."""

from array import array
from collections.abc import Iterator
from dataclasses import dataclass

from order_model import START, Rules, World, resolved, steps, violation
from tongka.orders import State


@dataclass(frozen=True)
class Explored:
    """What was found.

    Attributes:
        states: how many different worlds.
        moves: how many steps between them.
        arrows: from which states to which an order was moved.
        counterexample: the steps to the first world that breaks an invariant, and what it breaks; or empty.
        stuck: steps to a world from which the orders can't all be resolved; or empty.

    """

    states: int
    moves: int
    arrows: frozenset[tuple[State, State]]
    counterexample: tuple[str, ...]
    stuck: tuple[str, ...]


def explore(rules: Rules) -> Explored:
    numbers: dict[World, int] = {START: 0}
    worlds = [START]
    parents, texts = array("l", [-1]), [("", False)]
    sources, targets = array("l"), array("l")
    arrows: set[tuple[State, State]] = set()
    at = 0
    while at < len(worlds):
        for text, follower in steps(worlds[at], rules):
            arrows |= _arrows(worlds[at], follower)
            world, swapped = _canonical(follower)
            number = numbers.get(world)
            if number is None:
                number = numbers[world] = len(worlds)
                worlds.append(world)
                parents.append(at)
                texts.append((text, swapped))
                broken = violation(world)
                if broken:
                    return Explored(
                        len(worlds), len(sources), frozenset(arrows), (*_way(number, parents, texts), broken), ()
                    )
            sources.append(at)
            targets.append(number)
        at += 1
    stuck = _unresolvable(worlds, sources, targets)
    return Explored(
        len(worlds), len(sources), frozenset(arrows), (), tuple(_way(stuck, parents, texts)) if stuck >= 0 else ()
    )


def _arrows(before: World, after: World) -> set[tuple[State, State]]:
    pairs = zip(before.orders, after.orders, strict=True)
    return {(old.state, new.state) for old, new in pairs if old.state is not new.state}


def _canonical(world: World) -> tuple[World, bool]:
    """The two orders are alike: one of two worlds that differ in their numbers only, and whether it is the other."""
    first, second = world.orders
    if first <= second:
        return world, False
    flight = world.flight._replace(order=1 - world.flight.order) if world.flight else None
    return world._replace(orders=(second, first), flight=flight), True


def _way(number: int, parents: array, texts: list[tuple[str, bool]]) -> list[str]:
    """The steps to a world, each order under one name from the beginning to the end."""
    way: list[tuple[str, bool]] = []
    while number > 0:
        way.append(texts[number])
        number = parents[number]
    names, told = "XY", []
    for text, swapped in reversed(way):
        told.append(text.replace("order 0", f"order {names[0]}").replace("order 1", f"order {names[1]}"))
        names = names[::-1] if swapped else names
    return told


def _unresolvable(worlds: list[World], sources: array, targets: array) -> int:
    """The first world from which no way leads to all orders resolved, or −1."""
    leading = bytearray(resolved(world) for world in worlds)
    before: list[list[int]] = [[] for _ in worlds]
    for source, target in zip(sources, targets, strict=True):
        before[target].append(source)
    reached = [number for number, good in enumerate(leading) if good]
    while reached:
        for source in before[reached.pop()]:
            if not leading[source]:
                leading[source] = 1
                reached.append(source)
    return leading.find(0)


def lines(counterexample: tuple[str, ...]) -> Iterator[str]:
    for number, text in enumerate(counterexample, 1):
        yield f"{number:3} {text}"
