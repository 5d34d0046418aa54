"""The streaming probes in smoke size: every form and size counts what it ought to, and no message
is wrong.
"""

from __future__ import annotations

import pytest

import multikernel
from multikernel.native._native import PROBE_FORMS, Histogram
from multikernel.user.here import here

SLOTS = (4, 16, 64, 1024, 16384)
WINDOWS = (1, 4, 32)
COUNT, BATCH = 3000, 256


def _run(page: multikernel.Page, role: int, use: int) -> list[tuple[str, int, int, int, int, int]]:
    driver, found = here().driver, []
    for form in PROBE_FORMS["stream"]:
        for slots in WINDOWS if form == "call-line" else SLOTS:
            times, ahead = Histogram(), Histogram()
            use += 1
            wrong = driver.probe(
                "stream", memory=page.view(), form=form, role=role, slots=slots, base=use,
                count=COUNT, batch=BATCH, times=(times, ahead),
            )  # fmt: skip
            found.append((form, slots, wrong, times.n, ahead.n, ahead.max))
            if form != "plain":
                use += 1
                times = Histogram()
                wrong = driver.probe(
                    "echo", memory=page.view(), form=form, role=role, slots=slots, base=use,
                    count=100, batch=10, times=times,
                )  # fmt: skip
                found.append((f"echo {form}", slots, wrong, times.n, 0, 0))
    return found


def test_streams_of_every_form_and_size() -> None:
    with multikernel.boot(cores=2) as system:
        page = system.map(system.allocate(4096 + 2 * 64 * max(SLOTS)))
        for use in (0, 100):  # the same memory again
            receiving = system.cores[1].start(_run, page, 1, use)
            sent, received = system.cores[0].run(_run, page, 0, use), receiving.result()
            for (form, slots, wrong, batches, _, _), (_, _, lost, there, samples, most) in zip(
                sent, received, strict=True
            ):
                assert wrong == lost == 0, (form, slots)
                if form.startswith("echo"):
                    assert (batches, there) == (10, 0)
                else:
                    assert batches == there == samples == COUNT // BATCH
                    assert most <= slots


def _refused(page: multikernel.Page, form: str, slots: int) -> None:
    here().driver.probe(
        "stream", memory=page.view(), form=form, role=0, slots=slots, base=1, count=1, batch=1,
        times=Histogram(),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("form", "slots"),
    [("plain", 3), ("plain", 2), ("plain", 128), ("call-line", 64), ("call-line", 3)],
)
def test_what_does_not_fit_is_refused(form: str, slots: int) -> None:
    with multikernel.boot(cores=1) as system:
        page = system.map(system.allocate(8192))
        with pytest.raises(ValueError, match="no ring"):
            system.cores[0].run(_refused, page, form, slots)
