"""What holds for every test: nothing that this machine keeps is read or written, by systems and
commands they start, and signals end those as they do at a terminal. And running systems: one of
three cores for each kernel and file, and a maker of others.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from typing import Any

import cloudpickle
import pytest

import multikernel
from multikernel import System

pytest_plugins = ["sampling"]

KERNELS = ("multikernel", "shared")


@pytest.fixture(scope="session", autouse=True)
def nothing_kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A cache of the run's own, in the environment that cores and commands inherit. For the
    session, because some fixtures boot a system for a whole file.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


def passed_over(*_: object) -> None:
    """A handler: to this process a signal stays ignored, and what it executes starts with the
    default, since a program inherits what is ignored and no handlers.
    """


@pytest.fixture(scope="session", autouse=True)
def signals_not_inherited() -> Iterator[None]:
    """A shell without job control starts background jobs with SIGINT ignored, nohup with SIGHUP;
    what tests start and end by these must not inherit it. SIGINT ends this process too: tests send
    it to themselves.
    """
    handlers = {signal.SIGINT: signal.default_int_handler}
    handlers |= dict.fromkeys((signal.SIGHUP, signal.SIGQUIT, signal.SIGTERM), passed_over)
    before = {
        number: signal.signal(number, handler)
        for number, handler in handlers.items()
        if signal.getsignal(number) is signal.SIG_IGN
    }
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What a test sends to a core goes there as code, not by its module's name: each core would
    import the module, and with it pytest and hypothesis, which takes longer than most tests.
    Modules of programs are sent by name.
    """
    for module in {item.module for item in items if isinstance(item, pytest.Function)}:
        cloudpickle.register_pickle_by_value(module)


@pytest.fixture(params=KERNELS, scope="module")
def kernel(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def system(kernel: Any) -> Iterator[System]:
    """Not closed between tests: they leave it as they found it, or don't care."""
    with multikernel.boot(cores=3, kernel=kernel) as booted:
        yield booted


@pytest.fixture
def boot(kernel: str) -> Iterator[Callable[..., System]]:
    """boot() of the kernel under test; what it booted is closed in the end."""
    booted: list[System] = []

    def make(cores: Any = 2, **options: Any) -> System:
        options.setdefault("kernel", kernel)
        booted.append(multikernel.boot(cores, **options))
        return booted[-1]

    yield make
    for one in booted:
        one.close()
