"""Measuring from Python: `measure` and `compare`, and what they answer with."""
