"""Experiments: one file each, each answering a figure of the paper, in both kernels and next to
what Linux does.

Guarantees: what is compared is measured in slices by turns, over several fresh boots; a slice that
was disturbed does not count; every number carries its spread between boots; nothing is printed from
here: an experiment returns a result document and reports progress to its request. This page imports
nothing, because cores load loops from below here while they run.
"""
