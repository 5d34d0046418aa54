"""Fixed documents in the shape of each experiment, for the tests of figures, pages and
comparisons.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from s5_experiments import documents

from multikernel.results import document as d

HOSTILE = "</style><script>alert('x')</script><img src=x onerror=alert(1)>\"'&\u202e\x1b[31m"
TOPOLOGY = {
    "packages": 1,
    "cores": 4,
    "cpus": 4,
    "nodes": [{"id": 0, "cpus": "0-3", "distances": [10]}],
}


def environment(**changes: Any) -> d.Environment:
    """That of a machine of 4 CPUs, with fields changed."""
    return msgspec.structs.replace(documents.environment(), **{"topology": TOPOLOGY, **changes})


def series(median: float, *, spread: float = 0.05, boots: int = 20, **changes: Any) -> d.Series:
    """A series around a median, its interval ± spread."""
    samples = [max(1, round(median * factor)) for factor in (0.9, 1.0, 1.1)]
    interval = d.Interval(
        low=median * (1 - spread), high=median * (1 + spread), coverage=0.96 if boots > 5 else 0.0,
        method="order-statistic",
    )  # fmt: skip
    fields: dict[str, Any] = {"median_interval": interval, "boots": boots, "over_floor": None}
    return documents.series(samples, **{**fields, **changes})


def document(experiment: str, several: Sequence[d.Series], **changes: Any) -> d.Document:
    """A document of these series; its other fields are those of every document, unless changed."""
    fields: dict[str, Any] = {
        "experiment": experiment,
        "environment": environment(),
        "series": list(several),
    }
    return documents.document(**{**fields, **changes})


def floor() -> d.Document:
    """One pair, 16 lines."""
    lines = d.LineFloors(
        back_to_back=[300.0 + i for i in range(16)], single=[560.0 + i for i in range(16)]
    )
    pairs = [d.Floor(pair=(0, 1), back_to_back=307.5, single=567.5, by_line=lines)]
    modes: tuple[d.Mode, ...] = ("back-to-back", "single")
    found = [
        series(
            310,
            system="raw",
            variant="one-line",
            parameters={"pair": "0-1"},
            measure="round-trip",
            mode=mode,
        )
        for mode in modes
    ]
    return document("floor", found, floor=pairs)


def round_trip() -> d.Document:
    """Two arms in both modes, and a control."""
    modes: tuple[d.Mode, ...] = ("back-to-back", "single")
    arms: tuple[tuple[d.System, str, bool], ...] = (
        ("raw", "call-line", False),
        ("multikernel", "call-line", False),
        ("multikernel", "call-line", True),
    )
    found = [
        series(
            400, system=system, variant=variant, control=control, measure="round-trip", mode=mode,
            parameters={"pair": "0-1", "target": "polling", "told": "poll"},
        )
        for mode in modes
        for system, variant, control in arms
    ]  # fmt: skip
    return document("round-trip", found)


def unmap(cores: int = 2, **changes: Any) -> d.Document:
    """Four kinds of notification, throughput, programs, map and touch."""
    arms: tuple[tuple[d.System, str, float, str, str], ...] = (
        ("multikernel", "one-phase", 4700, "polling", "poll"),
        ("multikernel", "two-phase", 5200, "polling", "poll"),
        ("shared", "mcs", 4400, "polling", "poll"),
        ("multikernel", "two-phase", 36000, "computing", "signal"),
        ("linux", "mprotect", 28000, "computing", "interrupt"),
        ("linux", "mprotect", 6700, "idle", "none"),
    )
    found = [
        series(
            median, system=system, variant=variant, cores=cores,
            parameters={"operation": "unmap", "target": target, "told": told,
            "interrupts_per_operation": 1.01},
        )
        for system, variant, median, target, told in arms
    ]  # fmt: skip
    found += [
        series(
            9000, variant="map", cores=cores,
            parameters={"operation": "map-on-all-cores", "target": "polling", "told": "poll"},
        ),
        *(
            series(
                cycles, variant=f"life-{form}", system=system, cores=cores,
                parameters={"operation": "map-touch-unmap", "target": target, "told": told},
            )
            for form, cycles in (("fresh", 36_000), ("reused", 9_000))
            for system, target, told in (
                ("multikernel", "polling", "poll"),
                ("linux", "computing", "interrupt"),
                ("linux", "idle", "none"),
            )
        ),
        *(
            series(
                rate, variant=f"sustained-{form}", system="multikernel", cores=cores,
                measure="throughput", unit="operations/s",
                parameters={"operation": "map-touch-unmap", "target": "polling"},
            )
            for form, rate in (("fresh", 70_000), ("reused", 290_000))
        ),
        series(
            900_000, variant="own-pages", cores=cores, measure="throughput", unit="operations/s",
            parameters={"operation": "unmap", "told": "none"},
        ),
        series(
            9_000_000, variant="computing-program", cores=cores, measure="throughput",
            unit="operations/s",
            parameters={"target": "computing", "told": "signal"},
        ),
    ]  # fmt: skip
    return document("unmap", found, **changes)


def by_the_host_too(known: d.Document) -> d.Document:
    """The same, and what the multikernel's cores ask one another by message over sockets as
    well.
    """
    found = [
        series(
            5 * one.p50,
            variant=one.variant,
            cores=one.cores,
            parameters={**one.parameters, "transport": "socket"},
        )
        for one in known.series
        if one.system == "multikernel"
        and (one.variant.startswith("msg") or one.variant.endswith("-phase"))
        and one.parameters.get("told") != "signal"
    ]
    return msgspec.structs.replace(known, series=documents.distinct([*known.series, *found]))


def by_cores_too(known: d.Document) -> d.Document:
    """The same, and unmaps by number of cores along two trees, of which numa-aware is the faster,
    but one over two.
    """
    booted = max(one.cores for one in known.series)
    arms: tuple[tuple[d.System, str, float], ...] = (
        ("multikernel", "one-phase", 2000),
        ("multikernel", "two-phase", 2500),
        ("shared", "mcs", 2200),
    )
    found = []
    for cores in range(2, booted + 1):
        told: dict[str, Any] = {
            "operation": "unmap",
            "target": "polling",
            "told": "poll",
            "booted": booted,
        }
        for system, variant, each in arms:
            if booted == 2 and system == "multikernel":
                continue
            equal = {"equal_trees": "cluster, numa-aware" if cores == 2 else "cluster"}
            about: dict[str, Any] = {"system": system, "variant": variant, "cores": cores}
            found.append(
                series(each * cores, parameters={**told, "tree": "sequential", **equal}, **about)
            )
            if cores > 2:
                found.append(
                    series(
                        each * (1 + cores / 2), parameters={**told, "tree": "numa-aware"}, **about
                    )
                )
        if cores < booted:
            found.append(
                series(1900 * cores, system="shared", variant="mcs", cores=cores, parameters=told)
            )
            interrupted = {
                **told,
                "target": "computing",
                "told": "interrupt",
                "interrupts_per_operation": 1.0,
            }
            found.append(
                series(
                    14_000 * cores,
                    system="linux",
                    variant="mprotect",
                    cores=cores,
                    parameters=interrupted,
                )
            )
    return msgspec.structs.replace(known, series=documents.distinct([*known.series, *found]))


def latency(cpus: int = 4) -> d.Document:
    """All ordered pairs but one."""
    found = [
        series(
            200 + 10 * a + b, system="raw", variant="one-line", measure="round-trip",
            parameters={"from_cpu": a, "to_cpu": b},
        )
        for a in range(cpus)
        for b in range(cpus)
        if a != b and (a, b) != (1, 0)
    ]  # fmt: skip
    return document("latency", found)


def shared_memory() -> d.Document:
    """Three arms over cores."""
    arms: tuple[tuple[d.System, str, int], ...] = (
        ("raw", "shm1", 1),
        ("raw", "shm8", 8),
        ("multikernel", "msg8", 8),
    )
    found = [
        series(
            100 * cores * lines,
            system=system,
            variant=variant,
            cores=cores,
            parameters={"lines": lines},
        )
        for system, variant, lines in arms
        for cores in (1, 2, 4)
    ]
    return document("shared-memory", found)


def message() -> d.Document:
    """A latency with its throughput, and one without."""
    pair = {"pair": "0-1", "distance": "shared cache"}
    return document(
        "message",
        [
            series(450, variant="epoch-ring", parameters=pair, measure="one-way"),
            series(
                12e6, variant="epoch-ring", parameters=pair, measure="throughput",
                mode="back-to-back",
                unit="messages/s",
            ),
            series(310, variant="call-line", parameters=pair, measure="one-way"),
        ],
    )  # fmt: skip


def message_by_size() -> d.Document:
    """Two rings and a call line of several sizes, as far ahead as some writers are, and an open
    loop.
    """
    modes: tuple[d.Mode, ...] = ("back-to-back", "single")
    found = []
    for variant, sizes in (
        ("epoch-ring", (16, 64, 1024)),
        ("plain", (16, 64, 1024)),
        ("call-line", (1, 32)),
    ):
        for slots in sizes:
            about: dict[str, Any] = {
                "system": "raw", "variant": variant,
                "parameters": {"pair": "0-1", "distance": "one package", "slots": slots},
            }  # fmt: skip
            if variant != "plain":
                found += [
                    series(300 + slots, measure="round-trip", mode=mode, **about) for mode in modes
                ]
            found.append(
                series(
                    1e6 * slots,
                    measure="throughput",
                    mode="back-to-back",
                    unit="messages/s",
                    batch=1000,
                    **about,
                )
            )
            found.append(
                occupancy(
                    [0] * 6 + [slots // 2] * 3 + [slots],
                    measure="occupancy",
                    unit="messages",
                    **about,
                )
            )
    found += [
        series(
            400 + every,
            variant="open-loop",
            measure="round-trip",
            parameters={"pair": "0-1", "every_ns": every},
        )
        for every in (400, 2000)
    ]
    found.append(
        series(
            310, system="raw", variant="epoch-ring", measure="round-trip", control=True,
            parameters={"pair": "0-1", "distance": "one package", "slots": 64},
        )
    )  # fmt: skip
    return document("message", found)


def occupancy(samples: Sequence[int], **changes: Any) -> d.Series:
    """A series of these very samples."""
    interval = d.Interval(low=0.0, high=1.0, coverage=0.96, method="order-statistic")
    fields: dict[str, Any] = {
        "median_interval": interval,
        "boots": 20,
        "over_floor": None,
        "mode": "back-to-back",
    }
    return documents.series(list(samples), **{**fields, **changes})


def transport(**changes: Any) -> d.Document:
    """A way of each kind."""
    modes: tuple[d.Mode, ...] = ("back-to-back", "single")
    inside, outside = "nothing: cache lines", "the host's kernel: a system call"
    ways: tuple[tuple[d.System, str, str, str, str, bool, float], ...] = (
        ("raw", "call-line", "bare", inside, "polls", True, 310),
        ("multikernel", "driver-call-line", "driver", inside, "polls", True, 500),
        ("raw", "channel-socket", "channel", outside, "polls", False, 12_000),
        ("linux", "pipe-polled", "host", outside, "polls", False, 3500),
        ("linux", "pipe", "host", outside, "sleeps", False, 130_000),
        ("linux", "pipe-one-cpu", "one-cpu", outside, "sleeps", False, 15_000),
    )
    found = []
    for system, variant, way, crosses, waits, shared, median in ways:
        about: dict[str, Any] = {
            "system": system, "variant": variant,
            "parameters": {"way": way, "crosses": crosses, "waits": waits, "memory_shared": shared,
            "pair": "0-1"},
        }  # fmt: skip
        if waits == "sleeps":
            about["parameters"]["sleeps_per_message"] = 1.98
        found += [series(median, measure="round-trip", mode=mode, **about) for mode in modes]
        if way != "driver":
            rate = 3e10 / median
            found.append(
                series(
                    rate,
                    measure="throughput",
                    mode="back-to-back",
                    unit="messages/s",
                    batch=1000,
                    **about,
                )
            )
    return document("transport", found, **changes)


def poll_or_block() -> d.Document:
    """What the experiment measures, over the budget, nought included."""
    found = [
        series(
            1000 + budget,
            variant=variant,
            measure=measure,
            mode=mode,
            batch=1 if mode == "single" else 100,
            parameters={"budget": budget, "budget_us": budget / 2600, "every_us": 100},
        )
        for variant, measure, mode in (
            ("latency", "round-trip", "single"),
            ("cpu-lost", "interval", "back-to-back"),
            ("loss", "interval", "back-to-back"),
        )
        for budget in (0, 100, 1000, 10_000)
    ]
    block = series(6096, variant="block", measure="interval", mode="single")
    return document("poll-or-block", [*found, block])


def unknown() -> d.Document:
    """An experiment that nobody has a figure for: some arms, a sweep, a rate."""
    found = [
        series(
            100 + 10 * i, variant=f"arm-{i}", parameters={"flavour": HOSTILE if i == 0 else "plain"}
        )
        for i in range(3)
    ]
    found += [
        series(50 * size, variant="sweep", measure="interval", parameters={"size": size})
        for size in (1, 2, 4, 8)
    ]
    found += [series(5e6, variant="rate", measure="throughput", unit="bytes/s", parameters={})]
    return document("of-tomorrow", found)


def hostile() -> d.Document:
    """Hostile text wherever a document may hold text."""
    return document(
        "unmap",
        [series(100, parameters={"told": "poll", "target": "polling", HOSTILE: HOSTILE,
        "=1+1": "=cmd()"})],
        environment=environment(
            cpu_model=HOSTILE, kernel=HOSTILE, hypervisor=HOSTILE, virtualised=True,
            command=[HOSTILE],
            topology={HOSTILE: HOSTILE, "cpus": HOSTILE}, packages={HOSTILE: HOSTILE},
            governor=HOSTILE,
        ),
        warnings=[d.Caution(code="bad", text=HOSTILE)],
    )  # fmt: skip


def every() -> list[d.Document]:
    """One of each that is no attack."""
    return [
        floor(), latency(), shared_memory(), round_trip(), message(), message_by_size(),
        transport(), poll_or_block(),
        unmap(), by_cores_too(unmap(4)), unknown(),
    ]  # fmt: skip
