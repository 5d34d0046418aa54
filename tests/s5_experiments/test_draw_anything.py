"""Charts of anything: whatever values and names are, something is drawn, and a name is letters."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from s5_experiments.figure_structure import ALONE, chart_of, painted
from sampling import more

from multikernel.markup import clean
from multikernel.report.draw.bars import Bar, Group, Mark, bars
from multikernel.report.draw.chart import (
    FORMS,
    SYSTEMS,
    Chart,
    Form,
    letters,
    titled,
)  # fmt: skip
from multikernel.report.draw.heat import heat
from multikernel.report.draw.lines import Line, Point, lines

HOSTILE = (
    "", " ", "_hidden", "$x$", "$\\frac{a}", "a\\b", "\\$", "a\nb\r\nc\td", "\u202egnirts\u202c",
    "\u200f\u2066x\u2069", "\x00\x1b[31m", "<b>&amp;\"'", "]]>", "-->", "--", "<!--",
    'id="x" href="#y" url(#z)', "日本語", "\U0001f600", "\ufdd0\U0010ffff", "e\u0301", "\ud800",
    "%s {0} {", "x" * 5000, "long " * 300,
)  # fmt: skip
NAMES = st.one_of(
    st.sampled_from(HOSTILE), st.text(max_size=40), st.lists(st.sampled_from(HOSTILE)).map("".join)
)
VALUES = st.one_of(
    st.sampled_from([1.0, 1e-100, 1e-9, 2.0**53, 2.0**63, 2.0**64, 1e30, 1e100]),
    st.floats(1e-100, 1e100),
    st.integers(1, 10**6).map(float),
)
CHOICES = st.one_of(st.sampled_from([1.0, 2.0**53, 2.0**63]), st.integers(1, 2**64).map(float))
FROM_NOUGHT = st.one_of(st.just(0.0), VALUES)
ENDS = st.one_of(st.none(), FROM_NOUGHT)
KINDS = st.sampled_from([*SYSTEMS, "paper", "of-tomorrow", ""])

drawn_for_all = settings(
    deadline=None, max_examples=more(3, 8), suppress_health_check=[HealthCheck.too_slow]
)


def marks_of(values: st.SearchStrategy[float]) -> st.SearchStrategy[tuple[Mark, ...]]:
    return st.lists(st.builds(Mark, NAMES, values), max_size=2).map(tuple)


def drawn_well(chart: Chart, form: Form = "svg") -> None:
    """Whatever is a warning is raised here."""
    data = chart.save("svg")
    ElementTree.fromstring(data)
    # No name stands in an attribute but those of colours and shapes.
    assert not re.search(rb'="[^"]*\b(nan|inf)\b', data)
    root = ElementTree.fromstring(chart.markup("f1", titled("f1", "title", "description")))
    assert not re.search(r"[\u202a-\u202e\u2066-\u2069]", "".join(root.itertext()))
    assert form == "svg" or chart.save(form)


@drawn_for_all
@given(
    st.lists(
        st.builds(
            Group,
            NAMES,
            st.lists(
                st.builds(
                    Bar, NAMES, FROM_NOUGHT, NAMES, KINDS, ENDS, ENDS, st.booleans(), st.booleans()
                ),
                max_size=4,
            ).map(tuple),
            marks_of(VALUES),
        ),
        max_size=3,
    ),
    NAMES,
    st.sampled_from(FORMS),
)
def test_any_bars_are_drawn(groups: list[Group], axis: str, form: Form) -> None:
    drawn_well(bars(groups, axis), form)


def line_of(points: st.SearchStrategy[Point]) -> st.SearchStrategy[Line]:
    return st.builds(
        Line, NAMES, st.lists(points, min_size=1, max_size=4).map(tuple), KINDS, st.booleans(),
        st.booleans(), st.booleans(),
    )  # fmt: skip


@drawn_for_all
@given(
    st.lists(
        line_of(st.builds(Point, st.just(0.0) | CHOICES, FROM_NOUGHT, ENDS, ENDS)), max_size=5
    ),
    NAMES, NAMES, marks_of(VALUES), marks_of(CHOICES), st.booleans(), st.sampled_from(FORMS),
)  # fmt: skip
def test_any_lines_are_drawn(
    several: list[Line],
    x_axis: str,
    y_axis: str,
    marks: tuple[Mark, ...],
    standing: tuple[Mark, ...],
    linear: bool,
    form: Form,
) -> None:
    chart = lines(several, x_axis, y_axis, marks=marks, standing=standing, linear=linear)
    drawn_well(chart, form)


SHARES = st.builds(Point, CHOICES, st.floats(0, 100))


@drawn_for_all
@given(st.lists(line_of(SHARES), min_size=1, max_size=6), NAMES)
def test_any_distributions_are_drawn(several: list[Line], axis: str) -> None:
    drawn_well(lines(several, axis, "% of operations within", steps=True))


@drawn_for_all
@given(
    st.dictionaries(
        st.tuples(st.integers(0, 20), st.integers(0, 20)), FROM_NOUGHT, min_size=1, max_size=8
    ),
    NAMES,
)
def test_any_matrix_is_drawn(values: dict[tuple[int, int], float], unit: str) -> None:
    cpus = sorted({cpu for pair in values for cpu in pair})
    drawn_well(heat(values, cpus, unit))


@pytest.mark.parametrize("name", HOSTILE, ids=lambda name: ascii(name)[:12])
def test_a_hostile_name_is_written_as_it_is(name: str) -> None:
    root = ElementTree.fromstring(
        chart_of(replace(ALONE, label=name)).markup("f1", titled("f1", "title", name))
    )
    wanted = " ".join(clean(name).replace("\ufffd", "?").split())
    assert letters(name) == wanted
    written = [(one.text or "").strip() for one in root.iter("text")]
    shown = [one for one in written if wanted.startswith(one.removesuffix("…")) and one]
    assert shown or not wanted
    assert (root.findtext("desc") or "").split() == clean(name).split()
    assert len(ElementTree.tostring(root)) < 60_000
    assert {one.tag for one in root.iter()} <= {
        "svg", "title", "desc", "g", "defs", "path", "use", "text", "clipPath", "rect",
        "{http://www.w3.org/2000/svg}svg",
    }  # fmt: skip


def test_lines_of_any_name_are_in_the_legend() -> None:
    names = ["_hidden", "$x$", "plain", "long " * 300]
    several = [Line(name, (Point(1, place + 1), Point(2, 3))) for place, name in enumerate(names)]
    _, labels = painted(lines(several, "x", "y")).get_legend_handles_labels()
    assert [label.strip()[:5] for label in labels] == ["_hidd", "$x$", "plain", "long "]


@pytest.mark.parametrize(
    ("xs", "scale"),
    [
        ([1, 2, 4], "linear"),
        ([1, 16, 1024], "log"),
        ([0, 100, 10_000], "symlog"),
        ([0, 1, 2, 3], "linear"),
        ([7], "linear"),
        ([2.0**63], "linear"),
    ],
)
def test_every_choice_has_a_place_of_its_own(xs: list[float], scale: str) -> None:
    axes = painted(lines([Line("a", tuple(Point(x, 1) for x in xs))], "x", "y"))
    assert axes.get_xscale() == scale
    places = axes.transAxes.inverted().transform(axes.transData.transform([(x, 1) for x in xs]))
    assert ((places[:, 0] > 0) & (places[:, 0] < 1)).all()
    assert (np.diff(places[:, 0]) > 0.1).all()


def test_an_axis_of_values_begins_at_nought_unless_they_differ_too_much() -> None:
    def low(*values: float, **options: Any) -> tuple[float, str]:
        points = tuple(Point(place, value) for place, value in enumerate(values))
        axes = painted(lines([Line("a", points)], "x", "y", **options))
        return axes.get_ylim()[0], axes.get_yscale()

    assert low(50, 100) == (0, "linear")
    assert low(1000, 1001) == (0, "linear")
    assert low(0, 0) == (0, "linear")
    assert low(1, 101)[1] == "log"
    assert low(1, 101, linear=True) == (0, "linear")
