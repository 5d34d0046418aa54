"""What on this host spoils measurements: checks, each with its evidence, its verdict and a remedy.

Guarantees: a check looks only at the evidence it is given, so a captured tree is judged as the live
host is; what cannot be read is said to be unknown, and never to be fine.
"""
