"""The documents of a report, by machine: which belong together, what machine it was, and what may
be said of it.

Guarantees: documents of different machines never share a section; a document given twice appears
once; experiments come as the paper has them, the latest run first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter

from multikernel.report.figures.registry import place_of
from multikernel.report.say.verdict import judgements, verdict
from multikernel.report.say.wording import counted, grouped
from multikernel.results.document import Document, Environment
from multikernel.results.same_machine import machine_differences

CAVEATS = "To be read with"
"""The verdict's section that stands with the warnings here."""


@dataclass(frozen=True, slots=True)
class Machine:
    """documents: of this machine, by experiment, the latest first."""

    documents: tuple[Document, ...]

    @property
    def environment(self) -> Environment:
        """Of its latest document."""
        return max((one.environment for one in self.documents), key=lambda one: one.time)

    @property
    def latest(self) -> list[Document]:
        return [several[0] for several in self.by_experiment.values()]

    @property
    def by_experiment(self) -> dict[str, list[Document]]:
        return grouped(self.documents, lambda one: one.experiment)


def machines(documents: Iterable[Document]) -> list[Machine]:
    """By machine, in the order in which they were given."""
    groups: list[list[Document]] = []
    for document in documents:
        for group in groups:
            first = group[0]
            alike = first.simulated == document.simulated
            if alike and not machine_differences(first.environment, document.environment):
                if document not in group:
                    group.append(document)
                break
        else:
            groups.append([document])
    for group in groups:
        group.sort(key=lambda one: one.environment.time, reverse=True)
        group.sort(key=lambda one: place_of(one.experiment))
    return [Machine(tuple(group)) for group in groups]


def title_of(environment: Environment) -> str:
    cpus = environment.topology.get("cpus")
    count = f", {counted(cpus, 'CPU')}" if isinstance(cpus, int) else ""
    return f"{environment.cpu_model}{count}"


def described(machine: Machine) -> str:
    environment = machine.environment
    nodes = environment.topology.get("nodes")
    counts = {**environment.topology, "nodes": len(nodes) if isinstance(nodes, list) else None}
    words = {"packages": "package", "cores": "physical core", "cpus": "CPU", "nodes": "memory node"}
    parts = [
        counted(counts[name], word)
        for name, word in words.items()
        if isinstance(counts.get(name), int) and (counts[name] or name != "nodes")
    ]
    kind = "a virtual machine" if environment.virtualised else "bare metal"
    if environment.virtualised is None:
        kind = "virtual or not, it does not say"
    if environment.hypervisor:
        kind += f" ({environment.hypervisor})"
    text = f"{environment.cpu_model} ({environment.architecture}), {kind}"
    text += f": {', '.join(parts)}. " if parts else ". "
    text += f"Linux {environment.kernel}."
    if rate := environment.tsc_hz:
        clock = f"{rate / 1e6:,.1f}".replace(",", "\u202f")
        text += (
            f" The time stamp counter ticks at {clock}\u202fMHz, so 1\u202f000 TSC cycles are"
            f" {1e12 / rate:.0f} ns."
        )
    if machine.latest[0].simulated:
        return (
            f"{environment.cpu_model}: no hardware was measured. The kernel's own code ran in"
            f" virtual time, on a model of {machine.latest[0].machine}; cycles are that machine's."
        )
    used = sorted({cpu for document in machine.documents for cpu in document.environment.cpus})
    text += f" Measured on CPU{'s' if len(used) != 1 else ''} {', '.join(map(str, used[:32]))}"
    return text + (" and more." if len(used) > 32 else ".")


@dataclass(frozen=True, slots=True)
class Warned:
    code: str
    text: str
    experiments: tuple[str, ...]


def warnings(machine: Machine) -> list[Warned]:
    """Every warning once, with its experiments; then what the verdict must be read with."""
    every = [(one, document) for document in machine.documents for one in document.warnings]
    listed = [
        Warned(caution.code, caution.text, tuple(dict.fromkeys(one.experiment for _, one in own)))
        for caution, own in grouped(every, itemgetter(0)).items()
    ]
    known = tuple(one.text for one in listed)
    for title, sentences in verdict(machine.latest):
        if title == CAVEATS:
            listed += [Warned("note", text, ()) for text in sentences if not text.endswith(known)]
    return listed


def alone_in(warned: Warned, experiments: Iterable[str]) -> str | None:
    """The one experiment of these that it is about; None if it is about several."""
    if warned.experiments:
        return warned.experiments[0] if len(warned.experiments) == 1 else None
    return next((name for name in experiments if warned.text.startswith(f"{name}: ")), None)


def sentences(machine: Machine) -> list[tuple[str, list[tuple[str, str]]]]:
    """The verdict of the latest runs: (title, [(outcome or nothing, sentence)])."""
    found = judgements(machine.latest)
    outcomes = {text: one.outcome for one in found for text in (one.sentence, one.full)}
    return [
        (title, [(outcomes.get(text, ""), text) for text in texts])
        for title, texts in verdict(machine.latest)
        if title != CAVEATS
    ]


FACTS: Sequence[tuple[str, Callable[[Environment], object]]] = (
    ("processor", lambda one: one.cpu_model),
    ("architecture", lambda one: one.architecture),
    ("processor's flags", lambda one: ", ".join(one.cpu_flags)),
    ("topology", lambda one: _pairs(one.topology, "; ")),
    (
        "virtual",
        lambda one: {True: one.hypervisor or "yes", False: "no", None: None}[one.virtualised],
    ),
    ("cores on CPUs", lambda one: ", ".join(map(str, one.cpus))),
    ("Linux", lambda one: one.kernel),
    ("frequency governor", lambda one: one.governor),
    ("clock source", lambda one: one.clocksource),
    ("CPU quota", lambda one: one.cpu_quota),
    ("counter's rate", lambda one: _rate(one)),
    ("load before", lambda one: _load(one.before.load)),
    ("load after", lambda one: _load(one.after.load)),
    ("stolen meanwhile", lambda one: _steal(one)),
    ("Python", lambda one: one.python),
    ("packages", lambda one: _pairs(one.packages)),
    ("compiler", lambda one: one.compiler),
    ("compiler's flags", lambda one: one.compiler_flags),
    ("build", lambda one: _pairs(one.build)),
    ("revision", lambda one: one.revision),
    ("command", lambda one: " ".join(one.command)),
    ("seed", lambda one: one.seed),
    ("time", lambda one: one.time),
)


def facts(machine: Machine) -> list[tuple[str, str]]:
    """The environment; where documents differ, each value with the experiments that have it."""
    found = []
    for name, fact in FACTS:
        values: dict[str, dict[str, None]] = {}
        for document in machine.documents:
            value = fact(document.environment)
            text = "unknown" if value is None or value == "" else str(value)
            values.setdefault(text, {})[document.experiment] = None
        if len(values) == 1:
            (said,) = values
        else:
            said = "; ".join(f"{text} ({', '.join(names)})" for text, names in values.items())
        found.append((name, said))
    return found


def _pairs(values: Mapping[str, object], between: str = ", ") -> str:
    known = {name: value for name, value in values.items() if value not in ([], {})}
    return between.join(f"{name} {_flat(value)}" for name, value in known.items())


def _flat(value: object) -> str:
    if isinstance(value, dict):
        return " ".join(f"{name} {_flat(one)}" for name, one in value.items())
    if isinstance(value, list):
        return " | ".join(map(_flat, value))
    return str(value)


def _rate(environment: Environment) -> str | None:
    if environment.tsc_hz is None:
        return None
    error = "" if environment.tsc_error is None else f" ± {1e6 * environment.tsc_error:.2g} ppm"
    source = f", {environment.tsc_source}" if environment.tsc_source else ""
    return f"{environment.tsc_hz / 1e6:.3f} MHz{error}{source}"


def _load(load: tuple[float, float, float] | None) -> str | None:
    return None if load is None else ", ".join(f"{one:.2f}" for one in load)


def _steal(environment: Environment) -> str | None:
    before, after = environment.before.steal_ticks, environment.after.steal_ticks
    known = [(before.get(cpu), ticks) for cpu, ticks in after.items()]
    ticks = [new - old for old, new in known if old is not None and new is not None]
    return f"{sum(ticks) / 100:.2f} s" if ticks else None
