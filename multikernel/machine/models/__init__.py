"""Modelled machines, a file each: what a message, a page-table change and an interrupt cost there,
every number with its source.
"""
