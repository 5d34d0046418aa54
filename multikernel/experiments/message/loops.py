"""Measuring loops of the paper's table 2, as programs: bare rings and call lines of any size, and
an open loop.

Guarantees: the instrument's. The two sides of a loop get the same numbers and differ in their
role; each use of the rings' memory has a number of its own, larger than all before. A message that
came wrong is an error.
"""

from multikernel.errors import ProtocolError
from multikernel.experiments.instrument.loops import CALL_LINE, Loop, Plan, Report, Watch
from multikernel.user.memory import Page

USES = 3
"""Of the memory, in one slice: warming up, and what is measured at most twice."""
LANES_AT, LINE = 4096, 64


def bytes_for(slots: int) -> int:
    """Memory that rings of so many slots take, one each way."""
    return LANES_AT + 2 * LINE * slots


def _right(wrong: int, form: str, slots: int) -> None:
    if wrong:
        raise ProtocolError(
            "messages came that were not sent", value=wrong, where=f"{form}, {slots} slots"
        )


def echo(
    page: Page, form: str, slots: int, use: int, role: int, plan: Plan, watch: Watch | None
) -> Report:
    """Messages there and back; role 0 asks. Samples: by the plan's names."""
    loop, wrong = Loop(watch), 0
    with page.view() as memory, loop.watched():
        for number, (count, batch, into) in enumerate(loop.steps(plan)):
            wrong += loop.driver.probe(
                "echo", memory=memory, form=form, role=role, slots=slots, base=use + number,
                count=count, batch=batch, times=into,
            )  # fmt: skip
    _right(wrong, form, slots)
    return loop.done(samples=role == 0)


def stream(
    page: Page, form: str, slots: int, use: int, role: int, count: int, batch: int,
    watch: Watch | None
) -> Report:  # fmt: skip
    """Messages one way; role 0 sends. Samples, of the receiving side: times, in cycles for each
    whole batch, and ahead, how many messages the writer was ahead at the end of each.
    """
    loop = Loop(watch)
    with page.view() as memory, loop.watched():
        wrong = loop.driver.probe(
            "stream", memory=memory, form=form, role=role, slots=slots, base=use, count=count,
            batch=batch, times=(loop.samples("times"), loop.samples("ahead")),
        )  # fmt: skip
    _right(wrong, form, slots)
    return loop.done(samples=role == 1)


def open_loop(peer: int, count: int, mean_cycles: int, seed: int, watch: Watch | None) -> Report:
    """Requests at random through both drivers. Samples: latency, from the intended time."""
    loop = Loop(watch)
    with loop.polling(loop.me, peer), loop.watched():
        loop.pings(peer, CALL_LINE, ())
        loop.driver.probe(
            "open-loop", core=peer, cycles=mean_cycles, seed=seed, count=count,
            times=loop.samples("latency"),
        )  # fmt: skip
    return loop.done()
