"""Timelines: what cores did, real or modelled, as a trace that ui.perfetto.dev shows."""
