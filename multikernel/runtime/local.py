"""What a program finds on the core it runs on: that core's driver; on a modelled core, where a
program is a thread, the way into its kernel. Empty in every process that is not a core.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from multikernel.native import _native
    from multikernel.runtime.plan import Plan

driver: _native.Driver | None = None
plan: Plan | None = None
modelled: Any = threading.local()
"""Its `access`, in a thread that is a program on a modelled core."""


def leave() -> None:
    """This process is no core any more: it is a child that a program has made."""
    global driver, plan
    driver = plan = None


def enter(the_driver: _native.Driver, the_plan: Plan) -> None:
    """This process is a core from now on."""
    global driver, plan
    driver = the_driver
    plan = the_plan
