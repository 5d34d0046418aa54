"""Results of machines, kept with the product: a directory each, with its documents, figures and a
page of words.

Guarantees: whatever is drawn here is drawn from the documents beside it, by the report's own code,
and can be drawn again; nothing in an entry names a host, a user or a path of theirs. Run as `python
-m bench.gallery`; tests hold every entry against the current schema.
"""
