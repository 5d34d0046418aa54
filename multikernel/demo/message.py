"""2  A message: from one core to another, through one cache line.

Try then: "used-ring" in place of "calls", with send and receive, which carry any object;
`multikernel latency --quick`, for what a cache line costs between any two CPUs here.
"""

import time

import multikernel
from multikernel import MeasurementRefused, channels

CALLS = 20_000


def serve(page: multikernel.Page) -> int:
    """Runs on core 1: answers each request with its double, until a 0 comes."""
    served = 0
    with channels.attach(page, "calls", side=1) as end:
        for request in end:
            end.reply((request[0] * 2,))
            served += 1
            if not request[0]:
                return served
    return served


def call(page: multikernel.Page) -> float:
    """Runs on core 0: nanoseconds that a call takes, there and back."""
    with channels.attach(page, "calls", side=0) as end:
        assert end.call((21,))[0] == 42
        began = time.perf_counter_ns()
        for number in range(1, CALLS + 1):
            end.call((number,))
        took = time.perf_counter_ns() - began
        end.call((0,))
        return took / CALLS


if __name__ == "__main__":
    with multikernel.boot(cores=2) as system:
        # The two cores share no variable, only this page. A request is written into one line of it,
        # and the reply over the request: two transfers of a cache line, and no system call.
        page = system.map(system.allocate(channels.page_bytes("calls")))
        system.cores[0].run(channels.make, page, "calls")

        server = system.cores[1].start(serve, page)
        nanoseconds = system.cores[0].run(call, page)
        print(f"{server.result()} calls were answered; one took {nanoseconds:,.0f} ns from Python")

    # The same without Python's part in it, by the kernels' own messages, beside the floor: what one
    # cache line takes there and back.
    try:
        found = multikernel.measure("floor", cores=2, quick=True)
        print(f"a cache line there and back: {found.floor[0].back_to_back:,.0f} cycles")
    except MeasurementRefused as refused:
        print(f"This host is too busy to measure a cache line: {refused}")
