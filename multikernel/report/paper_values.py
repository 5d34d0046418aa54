"""What the paper reports (Baumann et al., SOSP 2009), to stand beside what is measured here.

Guarantees: only values that two independent secondary sources agree on (mark P) are here; what is
known from one source or from memory is not. Values read off a plot are marked approximate: good to
about ±0.5 k cycles. Cycles are those of the machine named, and its clock turns them into
nanoseconds; they are other machines of another time, so shapes and ratios travel and cycles don't.
"""

from __future__ import annotations

from dataclasses import dataclass

SOURCE = "Baumann et al., The Multikernel, SOSP 2009"
PLOT = "Values marked ≈ were read off the paper's plot and are good to about ±500 cycles."
OTHERS = "The paper's machines are of 2009: shapes and ratios travel, cycles don't."


@dataclass(frozen=True, slots=True)
class Machine:
    """One of the paper's machines. ghz: its clock."""

    name: str
    ghz: float


INTEL_2X4 = Machine("2×4 Intel X5355", 2.66)
AMD_2X2 = Machine("2×2 AMD 2220", 2.8)
AMD_4X4 = Machine("4×4 AMD 8380", 2.5)
AMD_8X4 = Machine("8×4 AMD 8350", 2.0)


@dataclass(frozen=True, slots=True)
class PaperValue:
    """figure: where it stands; what: of what; cores: by how many, where it is a point of a curve.

    text: in place of a value, where the paper gives a bound or a relation. spread: standard
    deviation. All are known from two independent secondary sources.
    """

    figure: str
    what: str
    machine: Machine | None
    value: float | None = None
    unit: str = "cycles"
    cores: int | None = None
    spread: float | None = None
    approximate: bool = False
    text: str = ""

    @property
    def ns(self) -> float | None:
        """The value in nanoseconds, if it is one of cycles."""
        if self.value is None or self.unit != "cycles" or self.machine is None:
            return None
        return self.value / self.machine.ghz


def _curve(
    figure: str, what: str, machine: Machine, points: dict[int, float]
) -> tuple[PaperValue, ...]:
    return tuple(
        PaperValue(figure, what, machine, value, cores=cores, approximate=True)
        for cores, value in points.items()
    )


FIGURE_3 = (
    PaperValue("Figure 3", "shared lines, 1 core", AMD_4X4, text="below 30 cycles an update"),
    PaperValue("Figure 3", "shared lines, 16 cores", AMD_4X4, text="almost 12 000 cycles more"),
    PaperValue(
        "Figure 3", "one server core", AMD_4X4, text="2 × the updates of all 16 threads together"
    ),
)
TABLE_1 = (
    PaperValue("Table 1", "LRPC, same core", INTEL_2X4, 845, spread=32),
    PaperValue("Table 1", "LRPC, same core", AMD_2X2, 757, spread=19),
    PaperValue("Table 1", "LRPC, same core", AMD_4X4, 1463, spread=21),
    PaperValue("Table 1", "LRPC, same core", AMD_8X4, 1549, spread=20),
)
TABLE_2_LATENCY = (
    PaperValue("Table 2", "URPC, shared cache", INTEL_2X4, 180, spread=34),
    PaperValue("Table 2", "URPC, same die", AMD_2X2, 450, spread=25),
    PaperValue("Table 2", "URPC, two hops", AMD_8X4, 618, spread=7),
)
TABLE_2 = (
    *TABLE_2_LATENCY,
    PaperValue("Table 2", "URPC, shared cache", INTEL_2X4, 11.97, "messages/kcycle"),
    PaperValue("Table 2", "URPC, same die", AMD_2X2, 3.42, "messages/kcycle"),
    PaperValue("Table 2", "URPC, two hops", AMD_8X4, 2.75, "messages/kcycle"),
)
TABLE_3 = (
    PaperValue("Table 3", "URPC, latency", AMD_2X2, 450),
    PaperValue("Table 3", "L4 IPC, latency", AMD_2X2, 424),
    PaperValue("Table 3", "URPC, throughput", AMD_2X2, 3.42, "messages/kcycle"),
    PaperValue("Table 3", "L4 IPC, throughput", AMD_2X2, 2.36, "messages/kcycle"),
    PaperValue("Table 3", "URPC, instruction cache", AMD_2X2, 9, "lines"),
    PaperValue("Table 3", "L4 IPC, instruction cache", AMD_2X2, 25, "lines"),
    PaperValue("Table 3", "URPC, data cache", AMD_2X2, 8, "lines"),
    PaperValue("Table 3", "L4 IPC, data cache", AMD_2X2, 13, "lines"),
)
SECTION_4_6 = (
    PaperValue("§4.6", "cost C of blocking", None, text="about 6 000 cycles"),
    PaperValue("§4.6", "poll budget P = C", None, text="loses at most C against the best choice"),
)
FIGURE_6 = (
    *_curve("Figure 6", "broadcast", AMD_8X4, {32: 13_800}),
    *_curve("Figure 6", "unicast", AMD_8X4, {32: 12_700}),
    *_curve("Figure 6", "multicast", AMD_8X4, {32: 4_800}),
    *_curve("Figure 6", "NUMA-aware multicast", AMD_8X4, {2: 1_300, 32: 3_100}),
)
FIGURE_7 = (
    *_curve("Figure 7", "Barrelfish", AMD_8X4, {2: 10_300, 5: 10_300, 32: 17_500}),
    *_curve("Figure 7", "Linux 2.6.26", AMD_8X4, {2: 5_200, 32: 29_500}),
    *_curve("Figure 7", "Windows Server 2008 R2 beta", AMD_8X4, {2: 5_800, 32: 46_000}),
    PaperValue(
        "Figure 7",
        "Barrelfish is cheaper",
        AMD_8X4,
        text="than Windows from about 5 cores, Linux from 12–13",
    ),
)

ANSWERS = {
    "floor": "What any message pays at least: the hardware's part of the paper's table 2.",
    "latency": (
        "What any message pays at least, between every two CPUs: the hardware's part of the paper's"
        " table 2."
    ),
    "shared-memory": "Sharing lines or sending messages: the paper's figure 3.",
    "local-call": "A call within one core: the paper's table 1.",
    "round-trip": "A message there and back: the latencies of the paper's table 2.",
    "message": "Messages by cache distance: the paper's table 2.",
    "transport": "Our channels beside the host's own: the paper's table 3.",
    "poll-or-block": "How long to poll before sleeping: the paper's section 4.6.",
    "shootdown": "Notifying all cores, messages alone: the paper's figure 6.",
    "collectives": "What cores do together, along the trees of the paper's section 5.1.",
    "unmap": "Taking a page from all cores: the paper's figure 7.",
    "two-phase-commit": (
        "Retyping memory that all cores know: the paper's figure 8, whose values are not known"
        " here."
    ),
    "retype-throughput": (
        "Retyping on all cores at once: what becomes of the paper's figure 8 when nobody waits."
    ),
    "capabilities": "Operations on capabilities: section 4.7 of the paper.",
}
"""By experiment: what it asks, and which figure of the paper it answers."""

BESIDE: dict[str, tuple[PaperValue, ...]] = {
    "shared-memory": FIGURE_3,
    "local-call": TABLE_1,
    "round-trip": TABLE_2_LATENCY,
    "message": TABLE_2,
    "transport": TABLE_3,
    "poll-or-block": SECTION_4_6,
    "shootdown": FIGURE_6,
    "unmap": FIGURE_7,
}
"""By experiment: the paper's values to show beside its figures."""
