"""The native core: C11 that knows no Python, and `_native`, its thin Cython face.

What touches the hardware (rings, call lines, doorbells, the CPU driver, the monitor, locks, page
tables, probes) lives here and nowhere else. Each header opens with the idea that it implements and
where that comes from; README.md is the map.
"""
