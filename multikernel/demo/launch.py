"""1  Launch: a kernel whose cores are processes, and programs that run on them.

Try then: more cores than your machine has CPUs; kernel="shared"; time.sleep(30) at the end of the
block, and `multikernel ps` in a second terminal meanwhile.
"""

import os

import multikernel


def who() -> str:
    """Runs on a core. The function travels there, as it is; so may its arguments and its value."""
    me = multikernel.here()
    return f"core {me.core} of {me.cores}: process {os.getpid()}, on CPU {os.sched_getaffinity(0)}"


if __name__ == "__main__":
    # A multikernel: each core is an operating-system process, pinned to one CPU, that runs its own
    # CPU driver over its own replica of the kernel's state. They share no data structure; they send
    # messages. When the block ends, all of it is gone.
    with multikernel.boot(cores=2) as system:
        print(system)

        # The launcher, this process, is no core. It asks one to run something, and waits.
        print(system.cores[1].run(who))

        # Or all of them at once.
        for line in system.on_each(who):
            print(line)

        # What a core has done since it was booted.
        for core in system.cores:
            print(
                f"core {core.index}: {core.counters()['served']} requests served, now {core.mode}"
            )
