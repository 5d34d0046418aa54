"""4  A tree, on a machine that nobody here has: 4 sockets of 16 cores, in virtual time.

The same protocol, the same object file; only the machine is modelled: what a cache line costs
between two of its cores. Core 0 asks all others by one message after the other, or has some of them
ask others for it.

Try then: 4 cores, where no tree is worth its depth; the machines of `multikernel machine list`;
`multikernel topology --machine 4x16`.
"""

from typing import Any

import multikernel

CORES = 64


def unmap_here() -> int:
    """Runs on core 0: cycles that one unmap takes on the modelled machine."""
    frame = multikernel.here().allocate(4096)
    page = multikernel.here().map(frame)
    before: int = system.now
    multikernel.here().unmap(page)
    return int(system.now - before)


if __name__ == "__main__":
    system: Any  # in virtual time it has a clock of its own: now
    cycles = {}
    for kind in ("sequential", "binary", "numa-aware"):
        with multikernel.boot(machine="4x16", cores=CORES, trees=kind) as system:
            cycles[kind] = system.cores[0].run(unmap_here)
        print(f"{kind:<12} {cycles[kind]:>7,} cycles until core 0 goes on")

    best = min(cycles, key=lambda kind: cycles[kind])
    times = cycles["sequential"] / cycles[best]
    if best == "sequential":
        print("\nNo tree answers sooner than one core that sends to all.")
    else:
        print(f"\nThe {best} tree is {times:.1f} times as fast as one core that sends to all.")
    print(
        "A message costs its sender some time, and with a tree several cores send at once. But each"
    )
    print("level of a tree is a message more on the way, and across sockets a message is dear.")
