"""The documents of a report, by machine: which belong together, what machine it was, and what may
be said of it.

Guarantees: documents of different machines never share a section; the same document given twice
appears once; within a machine experiments come as the paper has them, the latest run first. Nothing
names a host or a user, because no document does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from multikernel.report.figures.registry import place_of
from multikernel.report.say.verdict import judgements, verdict
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
        """The latest document of each experiment."""
        found: dict[str, Document] = {}
        for document in self.documents:
            found.setdefault(document.experiment, document)
        return list(found.values())

    def of(self, experiment: str) -> list[Document]:
        """All documents of an experiment, the latest first."""
        return [one for one in self.documents if one.experiment == experiment]


def machines(documents: Iterable[Document]) -> list[Machine]:
    """By machine, in the order in which they were given."""
    groups: list[list[Document]] = []
    for document in documents:
        group = next(
            (
                one
                for one in groups
                if not machine_differences(one[0].environment, document.environment)
            ),
            None,
        )
        if group is None:
            groups.append([document])
        elif document not in group:
            group.append(document)
    return [Machine(tuple(_ordered(group))) for group in groups]


def _ordered(group: Iterable[Document]) -> list[Document]:
    latest_first = sorted(group, key=lambda one: one.environment.time, reverse=True)
    return sorted(latest_first, key=lambda one: place_of(one.experiment))


# --- In words
# --------------------------------------------------------------------------------------------------


def title_of(environment: Environment) -> str:
    """A line that names the machine."""
    cpus = environment.topology.get("cpus")
    count = f", {_count(cpus, 'CPU')}" if isinstance(cpus, int) else ""
    return f"{environment.cpu_model}{count}"


def described(machine: Machine) -> str:
    """What machine it is, in two or three sentences."""
    environment = machine.environment
    topology = environment.topology
    parts = [
        _count(topology[name], word)
        for name, word in (("packages", "package"), ("cores", "physical core"), ("cpus", "CPU"))
        if isinstance(topology.get(name), int)
    ]
    nodes = topology.get("nodes")
    if isinstance(nodes, list) and nodes:
        parts.append(_count(len(nodes), "memory node"))
    where = {
        True: "a virtual machine",
        False: "bare metal",
        None: "virtual or not, it does not say",
    }
    kind = where[environment.virtualised] + (
        f" ({environment.hypervisor})" if environment.hypervisor else ""
    )
    text = f"{environment.cpu_model} ({environment.architecture}), {kind}"
    text += f": {', '.join(parts)}. " if parts else ". "
    text += f"Linux {environment.kernel}."
    if environment.tsc_hz:
        text += (
            f" The time stamp counter ticks at {environment.tsc_hz / 1e6:,.1f}\u202fMHz".replace(
                ",", "\u202f"
            )
        )
        text += ", so 1\u202f000 TSC cycles are " + f"{1e12 / environment.tsc_hz:.0f} ns."
    used = sorted({cpu for document in machine.documents for cpu in document.environment.cpus})
    text += f" Measured on CPU{'s' if len(used) != 1 else ''} {', '.join(map(str, used[:32]))}"
    return text + (" and more." if len(used) > 32 else ".")


def _count(number: object, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


@dataclass(frozen=True, slots=True)
class Warned:
    """A warning, and which experiments have it."""

    code: str
    text: str
    experiments: tuple[str, ...]


def warnings(machine: Machine) -> list[Warned]:
    """Every warning once, with its experiments; then what the verdict must be read with."""
    found: dict[tuple[str, str], dict[str, None]] = {}
    for document in machine.documents:
        for caution in document.warnings:
            found.setdefault((caution.code, caution.text), {})[document.experiment] = None
    listed = [Warned(code, text, tuple(names)) for (code, text), names in found.items()]
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


Facts = Sequence[tuple[str, Callable[[Environment], object]]]

FACTS: Facts = (
    ("processor", lambda one: one.cpu_model),
    ("architecture", lambda one: one.architecture),
    ("processor's flags", lambda one: ", ".join(one.cpu_flags)),
    ("topology", lambda one: _topology(one)),
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
    (
        "packages",
        lambda one: ", ".join(f"{name} {version}" for name, version in one.packages.items()),
    ),
    ("compiler", lambda one: one.compiler),
    ("compiler's flags", lambda one: one.compiler_flags),
    ("build", lambda one: ", ".join(f"{name} {value}" for name, value in one.build.items())),
    ("revision", lambda one: one.revision),
    ("command", lambda one: " ".join(one.command)),
    ("seed", lambda one: one.seed),
    ("time", lambda one: one.time),
)


def facts(machine: Machine) -> list[tuple[str, str]]:
    """The environment, a row each; where documents differ, each value with the experiments that
    have it.
    """
    found = []
    for name, fact in FACTS:
        values: dict[str, dict[str, None]] = {}
        for document in machine.documents:
            value = fact(document.environment)
            text = "unknown" if value is None or value == "" else str(value)
            values.setdefault(text, {})[document.experiment] = None
        if len(values) == 1:
            found.append((name, next(iter(values))))
        else:
            found.append(
                (name, "; ".join(f"{text} ({', '.join(names)})" for text, names in values.items()))
            )
    return found


def _topology(environment: Environment) -> str:
    return "; ".join(
        f"{name} {_flat(value)}"
        for name, value in environment.topology.items()
        if value not in ([], {})
    )


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
    ticks = [
        after_ - before_ for cpu, after_ in after.items()
        if after_ is not None and (before_ := before.get(cpu)) is not None
    ]  # fmt: skip
    return f"{sum(ticks) / 100:.2f} s" if ticks else None
