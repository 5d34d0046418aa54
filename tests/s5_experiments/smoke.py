"""Experiments in smoke size for the tests: run once, on cores 0 and 1 of this machine, and kept."""

import functools

import pytest

from multikernel.experiments import registry
from multikernel.experiments.instrument.request import SIZES, Request
from multikernel.machine.host.cpus import Placement, resolve
from multikernel.machine.topology.model import Topology
from multikernel.results.document import Document


def placement(cores: int = 2) -> Placement:
    """That many cores on CPUs of their own; skips the test where there are not enough."""
    found = resolve(cores, Topology.read())
    if found.oversubscribed:
        pytest.skip(f"needs {cores} CPUs")
    return found


@functools.cache
def document_of(name: str) -> Document:
    """The experiment's smoke document."""
    return registry.get(name)(Request(placement(), SIZES["smoke"])).run()
