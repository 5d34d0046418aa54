"""What a simulated document says of what is known: the judge's rule, bands of numbers that nobody
knows, the calibration's spread; and measured beside simulated.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from statistics import fmean, stdev
from typing import ClassVar

import pytest

from multikernel.catalogue import Entry
from multikernel.errors import BadInput
from multikernel.experiments.declaring import (
    Arm,
    Booted,
    Experiment,
    Outcome,
    Ratio,
    Request,
    Spec,
    one_number,
)
from multikernel.experiments.instrument.modelled import ModelledBench, varied
from multikernel.experiments.instrument.request import SIZES
from multikernel.machine.host.cpus import Placement
from multikernel.machine.models.reading import shipped
from multikernel.report.figures import beside
from multikernel.report.page.machines import machines
from multikernel.report.say.table import rows
from multikernel.report.say.wording import assumed
from multikernel.results.compare import compare
from multikernel.results.document import Document
from multikernel.results.encoding import decode, encode
from multikernel.results.judge import Finding, judge, spread_of
from multikernel.virtual.work import Work

AMD = shipped("8x4-amd")
COSTS: dict[str, Callable[[ModelledBench], float]] = {
    "change": lambda bench: 10 * bench.model.local.change.value,  # 300, or from 100 to 600
    "alike": lambda bench: 3010,
    "dearer": lambda bench: 3600,
    "cheaper": lambda bench: 900,
    "chance": lambda bench: 3000 * bench.draw.uniform(0.6, 1.6),
}


class Known(Experiment):
    """Every cost is known."""

    entry: ClassVar[Entry] = Entry(name="known", figure="-", summary="known costs", modelled=True)

    def arms(self) -> Iterator[Arm]:
        for name, cost in COSTS.items():
            spec = Spec(name, "multikernel", name, self.request.cores, "completion", "single")

            def slice_of(
                bench: ModelledBench, key: str = name, cost: Callable[..., float] = cost
            ) -> Outcome:
                return Outcome({key: one_number(cost(bench))})

            yield Arm(name, (spec,), Booted(), slice_of, repeated=name == "change")

    def ratios(self) -> Iterator[Ratio]:
        for name in COSTS:
            if name != "change":
                yield Ratio(name, "change")


def known(seeds: int = 5, cores: int = 2, calibration: Work | None = None) -> Document:
    request = Request(
        Placement(tuple(range(cores))), replace(SIZES["modelled"], boots=seeds), model=AMD,
        machine="8x4-amd", calibration=calibration,
    )  # fmt: skip
    return Known(request).run()


def as_measured(document: Document, factor: float = 1.0) -> Document:
    """The same as if a host of another name had been measured."""
    record = json.loads(encode(document))
    record |= {"simulated": False, "machine": None, "calibration": None}
    record["environment"]["cpu_model"] = "a host"
    for series in record["series"]:
        series["parameters"] = {
            name: value
            for name, value in series["parameters"].items()
            if not name.startswith("assumed")
        }
    return decode(json.dumps(record).encode())


def findings(document: Document) -> dict[str, Finding]:
    return {
        ratio.over: judge(ratio.interval, spread_of(document, ratio), more_is_better=False)
        for ratio in document.ratios
    }


def test_the_judge_treats_seeds_as_boots() -> None:
    found = findings(known())
    assert {name: one.outcome for name, one in found.items()} == {
        "change-control": "same",
        "alike": "same",
        "dearer": "worse",
        "cheaper": "better",
        "chance": "unknown",
    }
    few = findings(known(seeds=2))
    assert few["dearer"] == few["cheaper"]._replace(margin=few["dearer"].margin)
    assert few["dearer"].reason == "few"


def test_a_band_reaches_as_far_as_a_number_that_nobody_knows() -> None:
    document = known()
    by_key = {one.key: one for one in document.series}
    band = assumed(by_key["change"])
    assert band == pytest.approx((1000, 6000), rel=0.02)
    assert [key for key, one in by_key.items() if assumed(one)] == ["change"]
    codes = {one.code: one.text for one in document.warnings}
    assert "local.change" in codes["assumed"]
    # 600 puts it above 3 600, and 100 below... 900 stays the cheapest with any.
    assert "local.change = 600" in codes["assumed-decides"]
    assert "cheaper-over" not in codes["assumed-decides"]
    assert "receiver" in codes["readings"]
    (row,) = [row for row in rows([document]) if row[2] == "change"]
    assert "1 00" in row[8]
    assert "6 0" in row[8]
    assert decode(encode(document)) == document


def test_a_document_names_the_calibration_that_it_rests_on() -> None:
    document = known(seeds=1)
    reference = Work.reference()
    assert document.calibration is not None
    assert document.calibration.reference
    assert document.calibration.host == reference.host
    assert document.calibration.spread == pytest.approx(reference.spread, abs=1e-3)


def test_calibrations_of_other_seeds_err_together_and_each_by_itself() -> None:
    reference = Work.reference()
    seeds = [varied(reference, seed) for seed in range(200)]
    means = [
        fmean(a.cycles / b.cycles for a, b in zip(one.entries, reference.entries, strict=True))
        for one in seeds
    ]
    assert fmean(means) == pytest.approx(1, abs=0.02)
    # Errors of their own alone would leave a mean of so many a tenth of that.
    assert stdev(means) > 0.2 * reference.spread
    (one,) = seeds[:1]
    factors = {
        round(a.cycles / b.cycles, 6) for a, b in zip(one.entries, reference.entries, strict=True)
    }
    assert len(factors) > len(reference.entries) / 2
    assert varied(reference, 3) == varied(reference, 3) != varied(reference, 4)


def test_a_cold_step_is_dearer_by_as_many_nanoseconds_on_any_machine() -> None:
    reference = Work.reference()
    half = len(reference.table()) // 2 - 1
    for scale in (1.0, 4.0):
        for ghz in (1.0, 3.0):
            model = AMD.varied({"local.work_scale": scale, "ghz": ghz})
            table = reference.on(model).table()
            here = reference.table()
            for number in range(0, half, 97):
                misses = scale * (table[half + number] - table[number]) / ghz
                assert misses == pytest.approx(
                    (here[half + number] - here[number]) / reference.ghz, abs=1e-6
                )


def test_measured_and_simulated_are_held_against_each_other_only_if_asked() -> None:
    simulated = known(seeds=6)
    measured = as_measured(simulated)
    for one, other in ((measured, simulated), (simulated, measured)):
        with pytest.raises(BadInput, match="simulated"):
            compare([one], [other])
        with pytest.raises(BadInput, match="simulated"):
            compare([one], [other], different_machines=True)
        found = compare([one], [other], simulated=True)
        assert {change.series.variant for change in found.changes} == set(COSTS)
        assert all(change.ratio == pytest.approx(1, rel=0.01) for change in found.changes)
        assert found.simulated == [f"{'new' if other.simulated else 'old'}: 8x4-amd"]
    for one in (measured, simulated):
        with pytest.raises(BadInput, match="both"):
            compare([one], [one], simulated=True)


def test_a_report_never_mixes_them_and_draws_the_simulated_dashed_beside() -> None:
    simulated = known(seeds=2)
    measured = as_measured(simulated)
    assert [len(one.documents) for one in machines([measured, simulated])] == [1, 1]
    figures = beside.draw([measured, simulated])
    assert figures
    for name, figure in figures:
        assert name == "known"
        assert "simulated (8x4-amd)" in figure.title
        for cost in COSTS:
            assert figure.description.count(f"{cost}, simulated: ") <= 1
    text = " ".join(figure.description for _, figure in figures)
    assert all(f"{cost}, simulated: " in text for cost in COSTS)
    assert beside.draw([measured]) == beside.draw([simulated]) == []
