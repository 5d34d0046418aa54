"""Experiments, each answering a figure of the paper, in both kernels and next to what Linux does.

Guarantees: what is compared is measured in slices by turns, over several fresh boots; a slice that
was disturbed does not count. Nothing is printed: an experiment returns a document and reports
progress to its request. Imports nothing, since cores load loops from below here.
"""
