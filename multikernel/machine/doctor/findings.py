"""Every setting of the host that spoils measurements between cores: found, judged, and how to mend
it.

Guarantees: nothing is changed. There is one `Finding` for every check, in the same order on every
host; what a host does not say is "unknown", never an error. What matters or is bad always has a
remedy: the command, or a sentence that says that there is none.

Idea: pyperf's `system show` and hyperfine's warnings: the cause and the remedy in one place; a
doctor that only looks, because what to change on a machine is its owner's decision.
"""

import os
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from multikernel.errors import printable
from multikernel.machine.doctor import checks_memory, checks_neighbours, checks_processor
from multikernel.machine.doctor.evidence import Check, Evidence, Verdict

VERDICTS: tuple[Verdict, ...] = ("bad", "matters", "unknown", "good")
"""In order of urgency."""

CHECKS = [
    one
    for room in (checks_neighbours, checks_processor, checks_memory)
    for one in vars(room).values()
    if isinstance(one, Check)
]

# Remedies that change the one kernel which a container shares with its host.
_OF_THE_KERNEL = re.compile(r"sudo (cpupower|sysctl|swapoff|systemctl|tee)")


@dataclass(frozen=True, slots=True)
class Finding:
    """One setting. code: stable, for programs. value: what was found, in words. remedy: a command,
    or a sentence that says that there is none; "" if nothing is to do.
    """

    code: str
    title: str
    value: str
    verdict: Verdict
    why: str
    remedy: str

    @property
    def sentence(self) -> str:
        """All of it in words, for where numbers are read: the value, why it matters, what helps."""
        command = self.remedy and not self.remedy.endswith(".")
        remedy = f"What helps: {self.remedy}" if command else self.remedy
        return f"{self.title}: {self.value}. {self.why} {remedy}".rstrip()


def doctor(root: str | os.PathLike[str] = "/") -> tuple[Finding, ...]:
    """Look at the host under `root`: this one, or a captured one."""
    look = Evidence(root)
    return tuple(_examine(check, look) for check in CHECKS)


def ordered(findings: Iterable[Finding]) -> list[Finding]:
    """The most urgent first, else as they were."""
    return sorted(findings, key=lambda finding: VERDICTS.index(finding.verdict))


def counts(findings: Iterable[Finding]) -> dict[Verdict, int]:
    """How many findings there are of each verdict, all four named, the most urgent first."""
    verdicts = [finding.verdict for finding in findings]
    return {verdict: verdicts.count(verdict) for verdict in VERDICTS}


def record(findings: Iterable[Finding]) -> dict[str, Any]:
    """All of it as plain data, for `--json`."""
    listed = list(findings)
    return {
        "schema": "multikernel-doctor/1",
        "counts": counts(listed),
        "findings": [asdict(finding) for finding in listed],
    }


def _examine(check: Check, look: Evidence) -> Finding:
    answer = check.look(look)
    remedy = answer.remedy
    if look.frozen and _OF_THE_KERNEL.search(remedy):
        remedy = f"on the container's host: {remedy}"
    value, remedy = printable(answer.value), printable(remedy)
    return Finding(check.code, check.title, value, answer.verdict, check.why, remedy)
