"""The front door: `boot()` and the handles it gives.

    with multikernel.boot(cores=4) as system:
        frame = system.allocate(4096)
        page = system.map(frame)
        page.write(0, b"hello")
        system.cores[2].read(page, 0, 5)
        system.unmap(page)

Guarantees: what is booted is gone when the block ends, or the process does, however it ends. Every
call is safe from any thread.
"""

from multikernel.system.booting import DEFAULT_MEMORY, as_current, boot, current
from multikernel.system.core import Core
from multikernel.system.system import System

__all__ = ["DEFAULT_MEMORY", "Core", "System", "as_current", "boot", "current"]
