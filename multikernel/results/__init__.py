"""Result documents: the schema, histograms, statistics, and where they are kept.

Guarantees: what is written has been checked, what is read has been checked, nothing is ever
overwritten. This room stands beside the others and imports none of them but the errors, so
documents can be read where no kernel runs.
"""
