"""Charts as others see them: files rendered by a program that is not matplotlib, and looked at."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pymupdf
import pytest
from numpy.typing import NDArray
from s5_experiments.figure_structure import ALONE, chart_of

from multikernel.report.draw.bars import Bar, Mark
from multikernel.report.draw.chart import (
    COLOURS,
    DPI,
    FORMS,
    SOFT,
    SYSTEMS,
    WIDTH,
    Chart,
    titled,
)  # fmt: skip
from multikernel.report.draw.heat import LEFT, TOP, heat
from multikernel.report.draw.lines import Line, Point, lines
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


@pytest.mark.sampled(one_in=2)
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


@pytest.mark.sampled(one_in=2)
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


@pytest.mark.full
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
