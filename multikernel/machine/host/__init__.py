"""This host: its processor, its clock, its CPUs and what is done to them while something runs.

Guarantees: a file that is missing makes a fact unknown and never an error. A process that was
pinned is asked where it is.
"""
