"""What the host is: its topology, its clock, what disturbs it, and where cores may run.

Guarantees: facts come from /sys and /proc under any root, so a captured tree reads like the live
machine; a file that is missing makes a fact unknown, never an error. Importing this room imports no
third-party package, because the supervisor process imports it while it boots.

Idea: hwloc's: a topology that can be tested without the machine.
"""
