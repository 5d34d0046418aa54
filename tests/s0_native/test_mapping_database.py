"""The mapping database against a sorted list, with its invariants checked on the way."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from s0_native.building import NATIVE, Compiler, Shell

PAGE = 4096
NONE = -1
RAM, FRAME, CNODE, MAPPING = range(1, 5)
ROOM = NATIVE / "capability"
SOURCES = (*sorted(ROOM.glob("mapping_database*.c")), ROOM / "capability.c")

# address, size, type, about; of power-of-two sizes and aligned to them: any two nest or are
# disjoint.
Object = tuple[int, int, int, int]


@pytest.fixture(scope="module")
def database(compiler: Compiler) -> Iterator[Shell]:
    shell = Shell(compiler.build("database_shell.c", *SOURCES))
    yield shell
    shell.close()


def objects(pages: int) -> st.SearchStrategy[Object]:
    def place(bits: int, at: int, kind: int, about: int) -> Object:
        size = PAGE << bits
        return (at * PAGE) // size * size, size, kind, about if kind == MAPPING else 0

    return st.builds(
        place,
        st.integers(0, 4),
        st.integers(0, pages - 1),
        st.integers(RAM, MAPPING),
        st.integers(0, 2),
    )


class SortedList:
    """What the tree should be: (key, node) in a list, everything by looking at all of it."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, int, int, int, int]] = []
        self.object: dict[int, Object] = {}

    @staticmethod
    def row(one: Object, node: int) -> tuple[int, int, int, int, int]:
        address, size, kind, about = one
        return address, -size, kind, about, node

    def insert(self, node: int, one: Object) -> None:
        self.object[node] = one
        self.rows = sorted([*self.rows, self.row(one, node)])

    def remove(self, node: int) -> None:
        self.rows.remove(self.row(self.object.pop(node), node))

    @property
    def order(self) -> list[int]:
        return [row[-1] for row in self.rows]

    def neighbour(self, node: int, step: int) -> int:
        order = self.order
        at = order.index(node) + step
        return order[at] if 0 <= at < len(order) else NONE

    def not_before(self, one: Object, slot: int) -> int:
        return next((row[-1] for row in self.rows if row >= self.row(one, slot)), NONE)

    def copies(self, node: int) -> list[int]:
        return [other for other in self.order if self.object[other] == self.object[node]]

    def overlapping(self, start: int, end: int) -> list[int]:
        return [
            n for n in self.order if self.object[n][0] < end and sum(self.object[n][:2]) > start
        ]

    def descends(self, node: int, other: int) -> bool:
        """Is node below other: inside it, and smaller or of a type that comes later?"""
        (address, size, kind, _), (start, length, source, _) = self.object[node], self.object[other]
        inside = start <= address and address + size <= start + length
        return inside and source != MAPPING and (size < length or kind > source)


def agree(database: Shell, model: SortedList, pages: int) -> None:
    """Everything that can be asked has the same answer."""
    order = model.order
    asked: list[tuple[str | int, ...]] = [("k",), ("n", NONE), ("p", NONE)]
    expected = [1, order[0] if order else NONE, order[-1] if order else NONE]

    def expect(answer: int, *operation: str | int) -> None:
        asked.append(operation)
        expected.append(answer)

    for node in order:
        copies = model.copies(node)
        expect(model.neighbour(node, 1), "n", node)
        expect(model.neighbour(node, -1), "p", node)
        expect(copies[0], "f", *model.object[node])
        expect(copies[-1], "l", node)
        expect(len(copies) > 1, "c", node)
        expect(any(model.descends(other, node) for other in order), "d", node)
    for start in range(0, pages, 3):
        for length in (1, 2, 7):
            span = start * PAGE + 1, (start + length) * PAGE - 1
            found = model.overlapping(*span)
            expect(found[0] if found else NONE, "v", *span)
            for node in order:
                row = model.row(model.object[node], node)
                later = [o for o in found if model.row(model.object[o], o) > row]
                expect(later[0] if later else NONE, "w", node, *span)
    answers = database.ask_all(asked)
    assert [one for one in zip(asked, answers, expected, strict=True) if one[1] != one[2]] == []


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(objects(32), st.booleans(), st.integers(0, 31)), max_size=40), st.data())
def test_a_sorted_list_with_fast_answers(
    database: Shell, steps: list[tuple[Object, bool, int]], data: st.DataObject
) -> None:
    database.ask("o", 32)
    model = SortedList()
    for one, keep, node in steps:
        if node in model.object:
            if not keep:
                database.ask("r", node)
                model.remove(node)
            continue
        hint = data.draw(st.sampled_from([NONE, *model.order]))
        database.ask("i", node, *one, hint)
        model.insert(node, one)
        assert database.ask("b", *one, node) == node
    agree(database, model, 32)


@settings(deadline=None)
@given(st.lists(objects(16), max_size=12), objects(16), st.integers(0, 12))
def test_what_is_not_there_has_its_place(
    database: Shell, there: list[Object], one: Object, slot: int
) -> None:
    database.ask("o", 16)
    model = SortedList()
    for node, each in enumerate(there):
        database.ask("i", node, *each, NONE)
        model.insert(node, each)
    assert database.ask("b", *one, slot) == model.not_before(one, slot)
    if one not in there:
        assert database.ask("f", *one) == NONE


def test_ancestors_are_what_covers(database: Shell) -> None:
    database.ask("o", 8)
    for node, one in enumerate(
        [
            (0, 8 * PAGE, RAM, 0),
            (0, 2 * PAGE, RAM, 0),
            (0, 2 * PAGE, FRAME, 0),
            (0, 2 * PAGE, FRAME, 0),
            (0, 2 * PAGE, MAPPING, 7),
            (16 * PAGE, PAGE, RAM, 0),
            (4 * PAGE, PAGE, CNODE, 0),
        ]
    ):
        database.ask("i", node, *one, NONE)
    assert [database.ask("a", node) for node in range(7)] == [0, 1, 1, 1, 1, 0, 1]
    database.ask("r", 0)
    assert [database.ask("a", node) for node in range(1, 7)] == [0, 1, 1, 1, 0, 0]


@pytest.mark.parametrize("order", ["ascending", "descending", "shuffled", "one object"])
def test_depth_grows_with_the_logarithm(database: Shell, order: str) -> None:
    """While nothing is removed the rank of the root bounds an AVL tree's depth; afterwards twice
    the logarithm.
    """
    count = 3000
    nodes = list(range(count))
    database.ask("o", count)
    choose = random.Random(7)
    if order == "shuffled":
        choose.shuffle(nodes)
    if order == "descending":
        nodes.reverse()
    places = [(node, 0 if order == "one object" else node * PAGE) for node in nodes]
    database.ask_all([("i", node, address, PAGE, FRAME, 0, NONE) for node, address in places])
    assert database.ask("k") == 1
    assert database.ask("h") <= 1.4405 * 11.6  # log2(3000) < 11.6
    choose.shuffle(nodes)
    for first in range(0, count, 250):
        database.ask_all([("r", node) for node in nodes[first : first + 250]])
        left = count - first - 250
        assert database.ask("k") == 1
        assert database.ask("h") <= 2 * left.bit_length() - (left == 0)
