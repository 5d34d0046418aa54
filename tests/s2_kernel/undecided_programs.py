"""Programs that ask a core about a page right behind its unmap by another."""

from __future__ import annotations

from s2_kernel.capability_programs import NAMES, ROOT, copy_word

import multikernel
from multikernel.native._native import KINDS

AT = 9
"""The slot of core 0's root CNode that the Mapping is put into."""


def use_what_is_unmapped(frame: int, holders: int, protocol: int, times: int) -> list[str]:
    """On core 1. Core 0 maps the Frame, this core unmaps the page, and at once core 0 is asked to
    put something else where the Mapping was; with what else came back than that it has been done.
    """
    driver, wrong = multikernel.here().driver, []
    for _ in range(times):
        verdict, _, words = driver.call(0, KINDS["CAP_MAP"], (frame, ROOT, AT | 3 << 16, holders))
        assert NAMES.get(verdict) == "ok", NAMES.get(verdict)
        assert driver.here(KINDS["UNMAP"], (words[0], protocol))[0] == 0
        verdict, _, words = driver.call(0, KINDS["CAP_COPY"], (frame, ROOT, copy_word(AT, 3, 0)))
        if NAMES.get(verdict) != "ok":
            wrong.append(str(NAMES.get(verdict)))
            continue
        assert driver.call(0, KINDS["CAP_DELETE"], (words[0],))[0] == 0
    return wrong
