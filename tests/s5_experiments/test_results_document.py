"""Documents: the way out and back, and a sentence for everything that is refused."""

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from s5_experiments import documents

from multikernel.errors import DocumentError
from multikernel.results import document as d
from multikernel.results.encoding import decode, decode_all, encode, encode_all
from multikernel.results.histogram import Histogram


def test_what_is_written_is_read_back_equal() -> None:
    document = documents.document()
    assert decode(encode(document)) == document


def test_the_fields_are_those_of_the_schema() -> None:
    plain = json.loads(encode(documents.document()))
    assert list(plain) == [
        "schema",
        "experiment",
        "simulated",
        "machine",
        "calibration",
        "environment",
        "boots",
        "floor",
        "series",
        "unmeasured",
        "ratios",
        "warnings",
    ]
    assert plain["schema"] == "multikernel-results/2"
    assert plain["floor"] == [
        {
            "pair": [0, 1],
            "back_to_back": 310.0,
            "single": 560.0,
            "by_line": {"back_to_back": [306.0, 310.0, 320.0], "single": [560.0]},
        }
    ]
    assert set(plain["series"][0]) == {
        "key", "system", "variant", "cores", "parameters", "measure", "mode", "batch", "unit",
        "samples", "boots", "min",
        "p5", "p50", "p95", "p99", "p999", "max", "mean", "median_interval", "over_floor",
        "histogram", "by_boot", "control",
    }  # fmt: skip
    assert plain["series"][0]["histogram"] == {
        "sub_bits": 7,
        "counts": [[278, 1], [280, 1], [283, 1], [288, 1], [328, 1]],
    }
    assert plain["warnings"] == [{"code": "virtual", "text": "This is a virtual machine."}]


def test_several_documents_are_one_json_array() -> None:
    both = [documents.document(), documents.document(experiment="floor")]
    data = encode_all(both)
    assert [one["experiment"] for one in json.loads(data)] == ["unmap", "floor"]
    assert decode_all(data) == both
    assert decode_all(encode(both[0])) == both[:1]
    assert json.loads(encode_all([])) == []


def test_a_series_gives_its_histogram_back() -> None:
    histogram = documents.series().dense()
    assert histogram.to_sparse() == Histogram.from_values(documents.SAMPLES).to_sparse()
    assert histogram.percentile(50) == documents.series().p50


def test_over_floor_may_be_null_and_batches_have_means() -> None:
    series = documents.series(
        over_floor=None, mode="back-to-back", batch=1000, measure="round-trip"
    )
    back = decode(encode(documents.document(series=[series])))
    assert back.series[0].over_floor is None


Plain = dict[str, Any]


def broken(change: Callable[[Plain], object]) -> bytes:
    """The JSON of a right document after `change` of its plain form."""
    plain = json.loads(encode(documents.document()))
    change(plain)
    return json.dumps(plain).encode()


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda p: p.update(extra=1), "unknown field `extra`"),
        (lambda p: p.pop("ratios"), "missing required field `ratios`"),
        (lambda p: p.update(experiment="Un Map"), r"\$\.experiment"),
        (lambda p: p.update(experiment="../../etc/x"), r"\$\.experiment"),
        (
            lambda p: p["environment"].pop("kernel"),
            r"missing required field `kernel` - at `\$\.environment`",
        ),
        (lambda p: p["environment"].update(time="yesterday"), r"\$\.environment\.time"),
        (lambda p: p["environment"].update(host="me"), "unknown field `host`"),
        (lambda p: p["floor"][0].update(back_to_back=0), r"\$\.floor\[0\]\.back_to_back"),
        (lambda p: p["floor"][0].update(pair=[0]), r"\$\.floor\[0\]\.pair"),
        (
            lambda p: p["series"][0].update(system="Windows 7"),
            r"\$\.series\[0\]\.system",
        ),
        (lambda p: p["series"][0].update(mode="batched"), r"\$\.series\[0\]\.mode"),
        (lambda p: p["series"][0].update(unit="furlongs"), r"\$\.series\[0\]\.unit"),
        (lambda p: p["series"][0].update(measure="speed"), r"\$\.series\[0\]\.measure"),
        (lambda p: p["series"][0].update(p50="fast"), r"\$\.series\[0\]\.p50"),
        (lambda p: p["series"][0].update(p95=1e9), "p95 1000000000.0 is above p99"),
        (lambda p: p["series"][0].update(mean=1.0), "mean 1.0 lies outside"),
        (lambda p: p["series"][0].update(samples=6), "counts 5 samples, not 6"),
        (lambda p: p["series"][0].update(batch=10), "cannot come in batches of 10"),
        (lambda p: p["series"][0].update(boots=0), r"\$\.series\[0\]\.boots"),
        (
            lambda p: p["series"][0].update(min=10, p5=10),
            "min is 10.0, and the histogram says 300 to 301",
        ),
        (
            lambda p: p["series"][0].update(max=1000),
            "max is 1000.0, and the histogram says 400 to 401",
        ),
        (
            lambda p: p["series"][0]["parameters"].update(target="asleep"),
            "target is 'asleep', not one of polling",
        ),
        (
            lambda p: p["series"][0]["parameters"].update(told="pigeon"),
            "told is 'pigeon', not one of poll",
        ),
        (lambda p: p["series"][0]["parameters"].update(deep={}), r"\$\.series\[0\]\.parameters"),
        (
            lambda p: p["series"][0]["histogram"].update(counts=[[5, 1], [4, 1]]),
            "bucket 4 is out of order",
        ),
        (lambda p: p["series"][0]["histogram"].update(counts=[]), "histogram is empty"),
        (lambda p: p["series"][0]["median_interval"].update(low=321.0), "interval runs backwards"),
        (
            lambda p: p["series"][0]["median_interval"].update(coverage=1.1),
            r"median_interval\.coverage",
        ),
        (lambda p: p["ratios"][0].update(value=0.4), "ratio 0.4 lies outside of its own interval"),
        (lambda p: p["warnings"][0].update(text=""), r"\$\.warnings\[0\]\.text"),
    ],
)
def test_a_document_that_is_damaged_is_refused_and_the_place_named(
    change: Callable[[Plain], object], what: str
) -> None:
    with pytest.raises(DocumentError, match=what) as caught:
        decode(broken(change), "run/unmap.json")
    assert str(caught.value).startswith("this result document is damaged or contradicts itself: ")
    assert caught.value.where == "run/unmap.json"
    assert caught.value.hint


def first_schema() -> dict[str, Any]:
    """The same document as the first schema had it."""
    plain = json.loads(encode(documents.document()))
    for one, names in (
        (plain, ("simulated", "machine", "calibration", "boots", "unmeasured")),
        (plain["series"][0], ("key", "by_boot")),
        (plain["ratios"][0], ("over", "under", "kind", "words")),
    ):
        for name in names:
            del one[name]
    return {**plain, "schema": "multikernel-results/1"}


def test_a_document_of_the_first_schema_is_read_as_what_it_says() -> None:
    first = json.dumps(first_schema())
    now = documents.document()
    (ratio,) = now.ratios
    expected = msgspec.structs.replace(
        now,
        boots=[],
        series=[msgspec.structs.replace(now.series[0], key="series-0")],
        ratios=[msgspec.structs.replace(ratio, kind="other")],
    )
    assert decode(first) == expected
    assert decode_all(f"[{first}, {encode(now).decode()}]") == [expected, now]
    assert decode(encode(decode(first))) == expected


def test_a_damaged_document_of_the_first_schema_is_refused_and_the_place_named() -> None:
    damaged = first_schema()
    damaged["series"][0]["boots"] = 0
    with pytest.raises(DocumentError, match=r"\$\.series\[0\]\.boots"):
        decode(json.dumps(damaged), "x.json")


def test_a_file_is_indented_with_lists_of_numbers_on_a_line() -> None:
    text = encode(documents.document()).decode()
    assert text.endswith("}\n")
    assert text.startswith('{\n "schema"')
    assert '"counts": [[278, 1], [280, 1], [283, 1], [288, 1], [328, 1]]' in text
    strings = documents.document(warnings=[d.Caution(code="odd", text="[ 1,\n 2 ]")])
    assert decode(encode(strings)) == strings


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("two series", lambda p: p["series"].append(p["series"][0])),
        ("boots with", lambda p: p["series"][0]["by_boot"].append(
            {"boot": 0, "samples": 1, "p5": 1.0, "p50": 1.0, "p95": 1.0, "p99": 1.0,
             "histogram": {"sub_bits": 7, "counts": [[1, 1]]}})),
        ("no place", lambda p: p["ratios"][0].update(
            words={"subject": "a", "other": "b", "better": "is faster"})),
    ],
)  # fmt: skip
def test_a_document_that_contradicts_itself_is_refused(
    name: str, change: Callable[[Plain], object]
) -> None:
    with pytest.raises(DocumentError, match=name):
        decode(broken(change))


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "not a result document, nor JSON at all"),
        (b"%PDF-1.7", "not a result document, nor JSON at all"),
        (b'{"schema": "multikernel-res', "not a result document, nor JSON at all"),
        (b"\xff\xfe", "not a result document, nor JSON at all"),
        (b"3", "not a result document (x.json); result documents have"),
        (b"{}", "not a result document (x.json); result documents have"),
        (b'{"schema": 1}', "not a result document: its schema is 1"),
        (b'{"schema": "junit/1"}', "not a result document: its schema is 'junit/1'"),
        (
            b'{"schema": "multikernel-results/x"}',
            "not a result document: its schema is 'multikernel-results/x'",
        ),
        (
            b'{"schema": "multikernel-results/3"}',
            "this result document is newer than this program: multikernel-resul",
        ),
        (
            b'{"schema": "multikernel-results/0"}',
            "this result document is of a version that is no longer read: multi",
        ),
    ],
)
def test_what_is_no_document_of_this_version_is_refused_in_a_sentence(
    data: bytes, what: str
) -> None:
    with pytest.raises(DocumentError) as caught:
        decode(data, "x.json")
    assert str(caught.value).startswith(what)
    assert "(x.json); " in str(caught.value)
    with pytest.raises(DocumentError, match=r"\(x\.json\); "):
        decode_all(b"[" + data + b", 1]", "x.json")


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_no_number_that_is_not_finite_is_ever_written(number: float) -> None:
    for make in (
        lambda: documents.series(over_floor=number),
        lambda: documents.series(parameters={"think": number}),
        lambda: d.LineFloors(back_to_back=[number], single=[]),
    ):
        with pytest.raises(ValueError, match="no measurement"):
            make()


def test_wrong_types_are_found_when_writing() -> None:
    for changes in (
        {"series": [documents.series(cores="two")]},
        {"experiment": "not a slug"},
        {"floor": None},
    ):
        with pytest.raises(DocumentError, match="damaged or contradicts itself"):
            encode(documents.document(**changes))


def test_an_environment_record_is_checked_when_it_is_taken() -> None:
    with pytest.raises(DocumentError, match="the environment record"):
        d.environment_of({"cpu_model": "x"})
