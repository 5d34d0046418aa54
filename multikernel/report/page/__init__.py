"""Pages and files: which documents belong together, what stands on the page, and what is written.

Guarantees: a page needs nothing else, runs no script, and says what could not be read or drawn. No
file is written over another that is not a report.
"""
