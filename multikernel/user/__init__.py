"""What programs on top of a kernel see: frames, pages, the core they run on, tasks.

Guarantees: the same handles work in the launching process and in a program on a core, in both
kernels, and raise the same named errors.
"""
