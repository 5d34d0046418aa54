"""Charts as others see them: files rendered by a program that is not matplotlib, and looked at; and
whatever the values and names are, something is drawn.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pymupdf
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from s5_experiments.figure_structure import painted

from multikernel.report.draw.bars import Bar, Group, Mark, bars
from multikernel.report.draw.chart import (
    COLOURS,
    DPI,
    FORMS,
    SOFT,
    SYSTEMS,
    WIDTH,
    Chart,
    Form,
    letters,
    titled,
)  # fmt: skip
from multikernel.report.draw.heat import LEFT, TOP, heat
from multikernel.report.draw.lines import Line, Point, lines
from multikernel.report.draw.markup import clean
from multikernel.report.figures.figure import Figure, stacked

Picture = NDArray[np.int16]
Mask = NDArray[np.bool_]

SEEN = (*FORMS, "stacked")
"""All files there are; stacked: one of several figures."""


# --- Looking
# --------------------------------------------------------------------------------------------------


def pixels(chart: Chart, form: str) -> Picture:
    """The chart in a file, as MuPDF renders it: rows of pixels of red, green and blue."""
    if form == "png":
        picture = pymupdf.Pixmap(chart.save("png"))
        picture = pymupdf.Pixmap(picture, 0) if picture.alpha else picture
    else:
        if form == "stacked":
            data = stacked([Figure("", "", chart)]).encode()
        else:
            data = chart.save("pdf" if form == "pdf" else "svg")
        with pymupdf.open(stream=data, filetype="pdf" if form == "pdf" else "svg") as document:
            (page,) = document
            picture = page.get_pixmap(dpi=int(72 * WIDTH * DPI / page.rect.width))
    samples = np.frombuffer(picture.samples, np.uint8)
    return samples.reshape(picture.height, picture.width, picture.n)[:, :, :3].astype(np.int16)


def rgb(colour: str) -> NDArray[np.int16]:
    return np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)], np.int16)


def of_colour(picture: Picture, colour: str) -> Mask:
    """Which pixels are of that colour, or all but."""
    return np.asarray(np.abs(picture - rgb(colour)).max(axis=2) < 16)


def of_bar(picture: Picture, colour: str) -> Mask:
    """The same, of a bar alone: the edges of letters and of the axis are of many greys."""
    mask = of_colour(picture, colour)
    rows = np.nonzero(mask.sum(axis=1) > 100)[0]
    thickest = max(np.split(rows, np.nonzero(np.diff(rows) > 1)[0] + 1), key=len)
    found = np.zeros_like(mask)
    found[thickest] = mask[thickest]
    return found


def dark(picture: Picture) -> Mask:
    return np.asarray(picture.max(axis=2) < 120)


def light(picture: Picture) -> Mask:
    return np.asarray(picture.min(axis=2) > 235)


def box(mask: Mask) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of what is in it."""
    ys, xs = np.nonzero(mask)
    assert len(xs)
    return int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1


def between(picture: Picture, left: float, top: float, right: float, bottom: float) -> Picture:
    return picture[round(top) : round(bottom), round(left) : round(right)]


def differing(one: Picture, other: Picture) -> Mask:
    """Which pixels the two do not share."""
    assert one.shape == other.shape
    return np.asarray(np.abs(one - other).max(axis=2) > 40)


def chart_of(*several: Bar, marks: tuple[Mark, ...] = ()) -> Chart:
    return bars([Group("All of them", several, marks)], "TSC cycles")


OF_SYSTEMS = {"multikernel": 50.0, "shared": 100.0, "linux": 25.0, "raw": 75.0}
EVERY = chart_of(
    *(Bar(f"{kind} · arm", value, f"{value:g} cycles", kind) for kind, value in OF_SYSTEMS.items()),
    marks=(Mark("floor 40", 40.0),),
)


@pytest.fixture(scope="module", params=SEEN)
def form(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module", params=["svg", "pdf"])
def vectors(request: pytest.FixtureRequest) -> str:
    """Of which there are two; matplotlib makes the pixels of a PNG itself."""
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def every(form: str) -> Picture:
    return pixels(EVERY, form)


# --- Bars
# --------------------------------------------------------------------------------------------------


def test_a_chart_is_letters_and_colours_on_a_light_ground(every: Picture) -> None:
    assert light(every).mean() > 0.7
    corners = every[[0, 0, -1, -1], [0, -1, 0, -1]]
    assert (corners > 235).all()
    assert 0.005 < dark(every).mean() < 0.1


def test_bars_are_in_their_systems_colours_as_long_as_their_values(every: Picture) -> None:
    counts = {kind: of_bar(every, colour).sum() for kind, colour in SYSTEMS.items()}
    unit = counts["shared"] / OF_SYSTEMS["shared"]
    assert unit > 0
    for kind, value in OF_SYSTEMS.items():
        # The mark covers some of them.
        assert counts[kind] == pytest.approx(value * unit, rel=0.05), kind
    boxes = {kind: box(of_bar(every, colour)) for kind, colour in SYSTEMS.items()}
    assert np.ptp([left for left, *_ in boxes.values()]) <= 1
    tops = [top for _, top, _, _ in boxes.values()]
    assert tops == sorted(tops)
    left, _, right, _ = boxes["shared"]
    for kind, value in OF_SYSTEMS.items():
        assert boxes[kind][2] - left == pytest.approx((right - left) * value / 100, abs=3)


def test_a_mark_crosses_the_bars_at_its_value_and_no_letters(every: Picture, form: str) -> None:
    without = pixels(chart_of(*(
        Bar(f"{kind} · arm", value, f"{value:g} cycles", kind)
        for kind, value in OF_SYSTEMS.items()
    ), marks=(Mark("", 40.0),)), form)  # fmt: skip
    assert dark(every)[differing(every, without)].any()  # its name
    left, top, right, bottom = box(of_colour(every, SYSTEMS["shared"]))
    at = left + 0.4 * (right - left)
    assert dark(between(every, at - 3, top, at + 3, bottom)).any()
    assert not dark(between(every, at + 6, top, right - 3, bottom)).any()


@pytest.fixture(scope="module")
def alone(vectors: str) -> Picture:
    """One bar, beside a longer one."""
    return pixels(chart_of(ALONE, LONGER), vectors)


ALONE = Bar("multikernel · arm", 60.0, "60 cycles", "multikernel")
LONGER = Bar("Linux · arm", 100.0, "100 cycles", "linux")


def test_an_error_bar_is_dark_and_is_the_interval(vectors: str, alone: Picture) -> None:
    left, top, right, bottom = box(of_colour(alone, SYSTEMS["multikernel"]))
    # One that the value lies in, and one that it does not.
    for low, high in ((50.0, 75.0), (70.0, 90.0)):
        picture = pixels(chart_of(replace(ALONE, low=low, high=high), LONGER), vectors)
        new = differing(picture, alone)
        assert (picture[new].max(axis=1) < 140).mean() > 0.6
        unit = (right - left) / 60
        x0, y0, x1, y1 = box(new)
        assert x0 == pytest.approx(left + low * unit, abs=4)
        assert x1 == pytest.approx(left + high * unit, abs=4)
        assert top <= y0 < y1 <= bottom


def test_a_control_is_hatched(vectors: str, alone: Picture) -> None:
    left, top, right, bottom = box(of_colour(alone, SYSTEMS["multikernel"]))
    picture = pixels(chart_of(replace(ALONE, control=True), LONGER), vectors)
    inner = between(picture, left + 4, top + 4, right - 4, bottom - 4)
    assert not dark(inner).any()
    assert 0.3 < light(inner).mean() < 0.8
    blue = inner[:, :, 2] - inner[:, :, 0] > 60
    assert 0.15 < blue.mean() < 0.7
    # A row through it meets line after line.
    assert (np.diff(blue[len(blue) // 2].astype(int)) == 1).sum() > 10
    # To its end, and no farther.
    assert box(picture[:, :, 2] - picture[:, :, 0] > 60) == pytest.approx(
        (left, top, right, bottom), abs=2
    )


def test_a_bar_of_the_paper_is_hollow(vectors: str, alone: Picture) -> None:
    left, top, right, bottom = box(of_colour(alone, SYSTEMS["multikernel"]))
    picture = pixels(chart_of(replace(ALONE, paper=True), LONGER), vectors)
    inner = between(picture, left + 5, top + 5, right - 5, bottom - 5)
    assert light(inner).all()
    around = between(picture, left - 2, top - 2, right + 2, bottom + 2)
    assert of_colour(around, SOFT).sum() > (right - left) / 2
    assert not of_colour(picture, SYSTEMS["multikernel"]).any()


def test_names_and_values_are_written_in_dark_letters(vectors: str, alone: Picture) -> None:
    left, _, right, _ = box(of_colour(alone, SYSTEMS["linux"]))
    middle = (left + right) / 2
    for change, at_left in (({"label": " "}, True), ({"text": " "}, False)):
        lacking = pixels(chart_of(replace(ALONE, **change), LONGER), vectors)
        gone = differing(alone, lacking)
        assert dark(alone)[gone].any()
        x0, _, x1, _ = box(gone)
        assert x1 < middle if at_left else x0 > middle


# --- Lines and heat
# --------------------------------------------------------------------------------------------------


RISING = Line("rises", (Point(1, 100), Point(2, 200), Point(4, 400)))
FALLING = Line("falls", (Point(1, 400), Point(2, 300), Point(4, 100)))
OF_THE_PAPER = Line("Barrelfish, the paper", (Point(1, 250), Point(4, 250)), paper=True)


def test_lines_are_where_their_values_are(form: str) -> None:
    picture = pixels(lines([RISING, FALLING, OF_THE_PAPER], "cores", "cycles", linear=True), form)
    assert light(picture).mean() > 0.8
    plot = between(picture, 0, 0, picture.shape[1], picture.shape[0] * 0.65)  # not the legend
    for line, colour in ((RISING, COLOURS[0]), (FALLING, COLOURS[1])):
        mask = of_colour(plot, colour)
        left, top, right, bottom = box(mask)
        ys = [np.nonzero(mask[:, x])[0].mean() for x in (left + 8, right - 8)]
        assert (ys[0] > ys[1]) == (line is RISING)
        # Points stand where their values are, on an axis from nought.
        assert (right - left) / picture.shape[1] > 0.7
        assert bottom - top > plot.shape[0] / 3
    for colour in (*COLOURS[:2], SOFT):
        assert of_colour(picture[len(plot) :], colour).any()  # in the legend


def test_the_error_bars_of_a_line_are_dark_and_upright(vectors: str) -> None:
    def drawn(points: Sequence[Point]) -> Picture:
        return pixels(lines([Line("a", tuple(points))], "cores", "cycles", linear=True), vectors)

    bare = drawn([Point(1, 100), Point(2, 200)])
    # The second reaches as high as the points did, so that the axis stays.
    barred = drawn([Point(1, 100, 50, 150), Point(2, 200)])
    new = differing(barred, bare)
    assert (barred[new].max(axis=1) < 140).mean() > 0.5
    left, top, right, bottom = box(new)
    assert bottom - top > 3 * (right - left)
    plot = bare[: int(bare.shape[0] * 0.65)]
    assert (left + right) / 2 == pytest.approx(box(of_colour(plot, COLOURS[0]))[0], abs=20)


def test_what_is_dearer_is_darker(vectors: str) -> None:
    values = {(0, 1): 100.0, (1, 0): 200.0, (0, 2): 300.0, (2, 0): 400.0, (1, 2): 500.0}
    chart = heat(values, [0, 1, 2], "cycles")
    picture = pixels(chart, vectors)
    side = 0.5

    def shade(a: int, b: int) -> float:
        x, y = (LEFT + (b + 0.2) * side) * DPI, (TOP + (a + 0.2) * side) * DPI
        return float(between(picture, x - 4, y - 4, x + 4, y + 4).mean())

    shades = [shade(*pair) for pair in values]
    assert shades == sorted(shades, reverse=True)
    assert min(np.diff(shades)) < -2
    assert shade(1, 1) > 250  # not measured
    assert shade(2, 1) > 250


# --- Files
# --------------------------------------------------------------------------------------------------


def test_a_file_is_as_wide_as_a_column() -> None:
    picture = pymupdf.Pixmap(EVERY.save("png"))
    assert (picture.width, picture.xres) == (WIDTH * 300, 300)
    assert picture.height == pytest.approx(EVERY.height * 300, abs=1)
    for form in ("pdf", "svg"):
        with pymupdf.open(stream=EVERY.save(form), filetype=form) as document:
            (page,) = document
            assert page.rect.width == pytest.approx(72 * WIDTH, abs=0.1)
            assert page.rect.height == pytest.approx(72 * EVERY.height, abs=0.1)


def test_letters_are_embedded_or_outlines() -> None:
    with pymupdf.open(stream=EVERY.save("pdf"), filetype="pdf") as document:
        assert all(kind.endswith("ttf") for _, kind, *_ in document[0].get_fonts())
        words = document[0].get_text()
    for kind, value in OF_SYSTEMS.items():
        assert f"{kind} · arm" in words
        assert f"{value:g} cycles" in words
    root = ElementTree.fromstring(EVERY.save("svg"))
    assert not [one for one in root.iter() if one.tag.endswith("}text")]
    on_a_page = ElementTree.fromstring(EVERY.markup("f1", titled("f1", "title", "description")))
    assert "multikernel · arm" in [(one.text or "").strip() for one in on_a_page.iter("text")]


def sums() -> list[str]:
    """What tells files apart: of a chart in each form, and of one of each kind."""
    charts = (
        chart_of(replace(ALONE, control=True, low=50.0, high=70.0), LONGER),
        lines([RISING, FALLING, OF_THE_PAPER], "cores", "cycles"),
        heat({(0, 1): 100.0, (1, 0): 200.0}, [0, 1], "cycles"),
    )
    files = [charts[0].save(form) for form in FORMS] + [one.save("svg") for one in charts[1:]]
    return [hashlib.sha256(file).hexdigest() for file in files]


def test_the_same_chart_gives_the_same_bytes() -> None:
    first = sums()
    assert sums() == first
    # However the user likes figures of their own.
    with matplotlib.rc_context({
        "axes.facecolor": "black", "font.size": 30, "lines.linewidth": 9, "axes.grid": True,
        "path.sketch": (1, 100, 2), "savefig.bbox": "tight",
    }):  # fmt: skip
        assert sums() == first
        assert matplotlib.rcParams["font.size"] == 30
    program = "from s5_experiments import test_draw; print(*test_draw.sums())"
    environment = {**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": os.pathsep.join(sys.path)}
    elsewhere = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    assert elsewhere.stdout.split() == first


# --- Whatever the values and names are
# --------------------------------------------------------------------------------------------------

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
    deadline=None, max_examples=8, suppress_health_check=[HealthCheck.too_slow]
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
