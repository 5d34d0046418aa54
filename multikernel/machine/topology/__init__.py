"""What the machine is made of: `model.Topology`, and what one can be made from or turned into.

Guarantees: a topology says where it is from. Made from /sys (`reader`), from a capture of another
machine (`capture`), from a sentence about a machine nobody has (`synthetic`) or from a file
(`document`), it is the same plain data, so all that uses it can be tested without the machine.
"""
