"""3  An unmap, seen message by message.

A page is mapped on several cores. When unmap has returned, no core may be able to read it: so all
of them must agree. A monolithic kernel interrupts the others (a TLB shootdown); a multikernel asks
them.

Try then: protocol="one-phase"; four cores; page.pin(1) before the unmap, and see who votes no.
`multikernel replay unmap -o page.html` draws it.
"""

import multikernel
from multikernel import PageFault, PagePinned

if __name__ == "__main__":
    with multikernel.boot(cores=3, trace=True) as system:
        page = system.map(system.allocate(4096))
        page.write(0, b"hello")
        for core in system.cores:
            print(f"core {core.index} reads {core.read(page, 0, 5)!r}")

        # What the cores do within this block is kept.
        with system.watching() as steps:
            try:
                system.unmap(page)
            except PagePinned as refused:
                print(f"\nthe unmap is refused: {refused}")

        print("\nThe unmap, message by message:")
        for step in steps:
            print(step)

        if len(set(system.plan.cpus)) < len(system.cores):
            print(
                "(More cores than CPUs: the order is real, the times have waits for a CPU in them.)"
            )

        votes = sum(step.name == "unmap vote" for step in steps)
        if votes:
            print(f"\n{votes} cores voted. None was told to forget the page before all had voted.")

        for core in system.cores:
            try:
                print(f"core {core.index} still reads {core.read(page, 0, 5)!r}")
            except PageFault as fault:
                print(f"core {core.index}: {fault}")

    # A clock around system.unmap would measure the way from this process to a core and back, some
    # hundred microseconds. What the unmap takes is measured on the core that asks for it:
    print("\nmultikernel.measure('unmap', cores=2, quick=True) measures it; that takes a minute.")
