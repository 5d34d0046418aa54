"""What holds for every test: nothing that this machine keeps is read or written, by systems and commands they start."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def nothing_kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A cache of the run's own, in the environment that cores and commands inherit. For the session, because some
    fixtures boot a system for a whole file.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield
