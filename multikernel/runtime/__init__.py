"""Launching and supervising core processes: segments, boot, a core's main loop, the client's end.

Guarantees: cores are forked by a single-threaded supervisor that was exec'd, never by the user's
own process; segments have no name by the time the kernel runs; whatever is killed, no process and
no segment stays behind. Where the host withholds something (a system call, descriptors, processes,
memory, /dev/shm) a system does without it, or one sentence names it, the limit and the remedy.
"""
