"""5  A core killed, and what the product says.

Try then: kill the supervisor (the parent of the cores' processes); kill this program with
`kill -9`, and look with `multikernel ps` and `ls /dev/shm` for what is left of it.
"""

import os
import signal
import time

import multikernel
from multikernel import CoreDied, SystemClosed


def sleep() -> None:
    """Runs on a core for a while."""
    time.sleep(60)


if __name__ == "__main__":
    with multikernel.boot(cores=3) as system:
        victim = system.cores[2]
        task = victim.start(sleep)
        print(f"core {victim.index} is process {victim.pid} and runs {task.function}")

        os.kill(victim.pid, signal.SIGKILL)

        # Whoever waits for that core is told why it waits no longer.
        try:
            task.result()
        except CoreDied as error:
            print(f"its task: {error}")

        # The others would wait for its vote for ever, so the system is taken down as a whole; that
        # cores can die one by one is for a later version.
        try:
            system.cores[0].run(sleep)
        except SystemClosed as error:
            print(f"another core: {error}")

    left = [pid for pid in (core.pid for core in system.cores) if os.path.exists(f"/proc/{pid}")]
    print(f"processes that are left: {left or 'none'}")
