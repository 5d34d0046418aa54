"""The native core: C11 that knows no Python, and `_native`, its thin Cython face.

Guarantees: what touches the hardware (rings, call lines, doorbells, the CPU driver, the monitor,
locks, page tables, probes) lives here and nowhere else. Called by `runtime` (cores, client) and
`machine` (the clock). Each header opens with the idea it implements and where that comes from.
"""
