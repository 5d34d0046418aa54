"""What people read: tables and verdicts, drawn from result documents and from nothing else.

Guarantees: a document that came from elsewhere reads like one measured here; nothing is measured,
and no number appears that is not in a document or computed from such numbers.
"""
