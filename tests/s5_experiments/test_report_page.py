"""The page: whole, closed against what documents may hold, asking nothing of the network, grouped
by machine.
"""

import base64
import csv
import io
import json
import lzma
import re
from collections.abc import Callable, Iterable
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from s1_machine import doctor_hosts, trees
from s5_experiments import documents
from s5_experiments import report_documents as known

from multikernel.cli import shown
from multikernel.errors import printable
from multikernel.machine.doctor.findings import doctor
from multikernel.markup import Markup, clean, element
from multikernel.report.page.export import as_csv, as_html, as_svg, figures_of
from multikernel.report.page.page import page
from multikernel.results import document as d
from multikernel.results.encoding import decode, decode_all, encode_all

VOID = {"meta", "link", "img", "br", "hr", "rect", "line", "path", "circle", "image"}


class Reader(HTMLParser):
    """Elements, attributes and text of a page; notes what is not closed properly."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.text: list[str] = []
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@pytest.fixture(scope="module")
def text() -> str:
    """The page of one document of each kind."""
    return page(known.every())


@pytest.fixture(scope="module")
def report(text: str) -> Reader:
    return Reader(text)


def dangling(attributes: Iterable[tuple[str, str]]) -> set[str]:
    """Names that are referred to and that nothing has. Raises AssertionError if two share one."""
    names, referred = [], set()
    for name, value in attributes:
        if name == "id":
            names.append(value)
        elif name == "aria-labelledby":
            referred |= set(value.split())
        elif name.endswith("href") and value.startswith("#"):
            referred.add(value[1:])
        else:
            referred |= set(re.findall(r"url\(#([^)]+)\)", value))
    assert len(names) == len(set(names)) > 10
    assert len(referred) > 10
    return referred - set(names)


def test_elements_are_closed_and_names_are_unique(report: Reader) -> None:
    assert report.wrong == []
    assert report.open == []
    assert not dangling((name, value) for _, name, value in report.attributes)


def test_nothing_is_fetched_and_nothing_runs(report: Reader, text: str) -> None:
    assert not {"script", "iframe", "object", "embed", "form", "base"} & set(report.tags)
    for tag, name, value in report.attributes:
        assert not name.startswith("on"), (tag, name)
        if name in ("href", "src", "xlink:href", "srcset", "action", "data"):
            assert value.startswith(("data:", "#")), (tag, name, value)
    bare = re.sub(r"base64,[A-Za-z0-9+/=\s]+", "", text)
    # What looks like an address names the language of drawings; nobody fetches it.
    bare = bare.replace('xmlns:xlink="http://www.w3.org/1999/xlink"', "")
    assert not re.search(r"https?:|//[a-z]|url\((?!#)|@import", bare)
    assert "default-src 'none'" in text


def test_hostile_text_stays_text() -> None:
    text = page([known.hostile()])
    reader = Reader(text)
    assert "script" not in reader.tags
    assert "img" not in reader.tags
    assert reader.wrong == []
    assert reader.tags.count("style") == 1
    assert not any(name.startswith("on") for _, name, _ in reader.attributes)
    assert any("<script>alert('x')</script>" in one for one in reader.text)
    for character in ("\u202e", "\x1b"):
        assert character not in text


def test_sections_come_in_the_order_of_reading(report: Reader) -> None:
    text = "\n".join(report.text)
    wanted = (
        "The machine", "Experiment floor", "Experiment latency",
        "Experiment shared-memory", "Experiment round-trip", "Experiment message",
        "Experiment poll-or-block",
        "Experiment unmap", "Experiment of-tomorrow", "The verdict",
        "What these numbers can and cannot say", "Ratios", "Everything measured",
        "Environment", "Raw data",
    )  # fmt: skip
    places = [text.index(one) for one in wanted]
    assert places == sorted(places)


def test_tables_have_headings_and_the_language_is_named(report: Reader) -> None:
    assert report.tags.count("table") >= 4
    assert report.tags.count("th") > report.tags.count("table")
    assert ("html", "lang", "en") in report.attributes
    assert any(
        tag == "meta" and name == "name" and value == "viewport"
        for tag, name, value in report.attributes
    )


def test_light_dark_and_print_are_all_there() -> None:
    text = page([known.unmap()])
    assert "prefers-color-scheme:dark" in text
    assert "@media print" in text
    assert 'content="light dark"' in text


def test_the_documents_are_attached_whole(report: Reader) -> None:
    links = [
        value
        for tag, name, value in report.attributes
        if tag == "a" and name == "href" and not value.startswith("#")
    ]
    kinds, packed = zip(*(link.split(",") for link in links), strict=True)
    assert set(kinds) == {"data:application/x-xz;base64"}
    attached = [decode(lzma.decompress(base64.b64decode(one))) for one in packed]
    assert {one.experiment: one for one in attached} == {
        one.experiment: one for one in known.every()
    }


def test_warnings_appear_once_and_name_their_experiments() -> None:
    unlike = d.Caution(code="steal", text="Stolen here.")
    both = [
        known.unmap(),
        known.document(
            "floor", known.floor().series, warnings=[unlike, *documents.document().warnings]
        ),
    ]
    text = "\n".join(Reader(page(both)).text)
    assert text.count("This is a virtual machine.") == 1
    assert (
        text.index("What these numbers")
        < text.index("This is a virtual machine.")
        < text.index("Ratios")
    )
    # What is about one experiment stands with it.
    assert (
        text.index("Experiment floor") < text.index("Stolen here.") < text.index("Experiment unmap")
    )
    alone = "\n".join(Reader(page(both[1:])).text)
    assert alone.index("What these numbers") < alone.index("Stolen here.")


@pytest.mark.sampled(one_in=2)
@pytest.mark.parametrize(
    "host", [doctor_hosts.laptop, doctor_hosts.virtual, doctor_hosts.container]
)
def test_what_the_doctor_found_stands_on_the_page_and_in_the_terminal_once(
    tmp_path: Path, host: Callable[[], dict[str, str]], capsys: pytest.CaptureFixture[str]
) -> None:
    findings = doctor(trees.write(tmp_path, host()))
    warnings = [
        d.Caution(code=one.code, text=one.sentence)
        for one in findings
        if one.verdict in ("bad", "matters")
    ]
    both = [
        known.unmap(warnings=warnings),
        known.document("floor", known.floor().series, warnings=warnings),
    ]
    # A verdict repeats what it cannot be read without; in the terminal that is above the warnings.
    shown.everything(both, verdict=True)
    found = (*Reader(page(both)).text, *(" ".join(capsys.readouterr().out.split()).split(" - ")))
    for warning in warnings:
        assert sum(warning.text in text for text in found) == 2, warning.text


def test_machines_have_sections_of_their_own() -> None:
    other = known.environment(cpu_model="Small Iron", tsc_hz=1e9)
    text = page([known.unmap(), known.unmap(environment=other)])
    reader = Reader(text)
    assert [
        value for _, name, value in reader.attributes if name == "class" and value == "machine"
    ] == ["machine"] * 2
    assert "Small Iron, 4 CPUs" in reader.text
    assert "Big Iron, 4 CPUs" in reader.text


def test_runs_of_one_machine_share_a_section_the_latest_first() -> None:
    old = known.unmap(environment=known.environment(time="2025-01-01T00:00:00Z", kernel="6.1.0"))
    new = known.unmap(environment=known.environment(time="2025-06-01T00:00:00Z"))
    reader = Reader(page([old, new, new]))
    text = "\n".join(reader.text)
    assert text.index("Run of 2025-06-01 00:00:00 UTC") < text.index(
        "Run of 2025-01-01 00:00:00 UTC"
    )
    assert text.count("Run of 2025-06-01") == 1  # the same document twice is one
    assert [value for _, name, value in reader.attributes if name == "download"] == [
        "unmap.json.xz",
        "unmap-2.json.xz",
    ]
    assert "6.12.0 (unmap); 6.1.0 (unmap)" in text


def test_a_document_without_series_or_with_cores_that_share_cpus_is_a_page_too() -> None:
    crowded = [d.Caution(code="oversubscribed", text="4 cores share 2 CPUs.")]
    empty = known.document("of-tomorrow", [], floor=[], ratios=[], warnings=crowded)
    text = "\n".join(Reader(page([empty, known.unmap(warnings=crowded)])).text)
    assert "This document holds no series." in text
    assert "no latency is claimed" in text


def test_thousands_of_series_do_not_make_thousands_of_rows() -> None:
    reader = Reader(page([known.latency(24)]))
    assert reader.tags.count("tr") < 400
    assert any("251 more series are in the raw data" in one for one in reader.text)


def test_elements_escape_what_is_not_markup() -> None:
    assert element("p", "<b>", title='"&') == '<p title="&quot;&amp;">&lt;b&gt;</p>'
    assert element("p", Markup("<b></b>")) == "<p><b></b></p>"
    assert (
        element("rect", x=1.0, y=-0.001, stroke_width=2) == '<rect x="1" y="0" stroke-width="2"/>'
    )
    assert clean("a\x00b\ud800\u202ec") == "a�b��c"


def test_the_same_documents_give_the_same_bytes() -> None:
    documents = [known.round_trip(), known.latency(20), known.shared_memory()]
    assert as_html(documents) == as_html(documents)
    assert as_svg(documents) == as_svg(documents)


def test_the_other_forms_hold_the_same() -> None:
    every = known.every()
    assert decode_all(encode_all(every)) == every
    (hostile,) = json.loads(encode_all([known.hostile()]))
    assert hostile["environment"]["cpu_model"] == printable(known.HOSTILE)


def test_all_figures_are_one_drawing() -> None:
    documents = [known.round_trip(), known.latency(20), known.shared_memory(), known.hostile()]
    root = ElementTree.fromstring(as_svg(documents))
    words = [one.text for one in root.iter("{http://www.w3.org/2000/svg}title")]
    found = [figure for _, figure in figures_of(documents)]
    assert words[1:] == [figure.title for figure in found]
    assert not dangling(attribute for one in root.iter() for attribute in one.items())
    assert not {one.tag.rpartition("}")[2] for one in root.iter()} & {"script", "foreignObject"}
    # Whoever reads it may not have the fonts: but for the headings, letters are outlines.
    assert len(list(root.iter("{http://www.w3.org/2000/svg}text"))) == len(found)


def table_of(several: list[d.Document]) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(as_csv(several).decode())))


def test_the_table_has_a_line_a_series_ratio_and_warning() -> None:
    every = known.every()
    lines = table_of(every)
    series = [one for one in lines if one["row"] == "series"]
    assert [(one["experiment"], one["key"], float(one["p50"])) for one in series] == [
        (document.experiment, one.key, one.p50) for document in every for one in document.series
    ]
    assert [(one["experiment"], one["key"], one["variant"], float(one["p50"]))
            for one in lines if one["row"] == "ratio"] == [
        (document.experiment, one.name, one.kind, one.value)
        for document in every for one in document.ratios
    ]  # fmt: skip
    assert [(one["key"], one["variant"]) for one in lines if one["row"] == "warning"] == [
        (one.code, one.text) for document in every for one in document.warnings
    ]
    assert len({one["row"] for one in lines}) == 3
    trip = next(one for one in series if one["experiment"] == "round-trip")
    assert (trip["parameter.pair"], trip["control"], trip["unit"]) == ("0-1", "false", "tsc-cycles")
    assert float(trip["median_low"]) < float(trip["p50"]) < float(trip["median_high"])
    assert float(trip["p50_ns"]) == pytest.approx(400.5 / 2.6)
    assert not any(None in one or None in one.values() for one in lines)  # as many cells in each


def test_a_spreadsheet_takes_nothing_for_a_formula() -> None:
    formula = d.Caution(code="bad", text="=cmd()")
    hostile = known.hostile()
    several = [hostile, known.document("of-tomorrow", hostile.series, warnings=[formula])]
    assert "'=cmd()" in as_csv(several).decode()
    for line in csv.reader(io.StringIO(as_csv(several).decode())):
        for cell in line:
            assert not cell.startswith(("=", "+", "@", "\t", "\r"))
            assert not cell.startswith("-") or float(cell) < 0
    assert [one["variant"] for one in table_of(several) if one["row"] == "warning"] == [
        printable(known.HOSTILE),
        "'=cmd()",
    ]
