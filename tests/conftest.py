"""What holds for every test: nothing that this machine keeps is read or written, by systems and commands they start,
and signals end those as they do at a terminal.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator

import cloudpickle
import pytest


@pytest.fixture(scope="session", autouse=True)
def nothing_kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A cache of the run's own, in the environment that cores and commands inherit. For the session, because some
    fixtures boot a system for a whole file.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


def passed_over(*_: object) -> None:
    """A handler: to this process a signal stays ignored, and what it executes starts with the default, since a
    program inherits what is ignored and no handlers.
    """


@pytest.fixture(scope="session", autouse=True)
def signals_not_inherited() -> Iterator[None]:
    """A shell without job control starts background jobs with SIGINT ignored, nohup with SIGHUP; what tests start and
    end by these must not inherit it. SIGINT ends this process too: tests send it to themselves.
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
    """What a test sends to a core goes there as code, not by its module's name: each core would import the module,
    and with it pytest and hypothesis, which takes longer than most tests. Modules of programs are sent by name.
    """
    for module in {item.module for item in items if isinstance(item, pytest.Function)}:
        cloudpickle.register_pickle_by_value(module)
