"""What the system knows about its machine: facts, costs of messages, and what follows: trees and
places.

Guarantees: nothing here knows a machine by name. Facts say where they come from (discovered,
measured, assumed, asserted) and never contradict each other in silence; the same facts give the
same answers. The machine may be this host, a capture or an invented one.

- `site`: cores of a system on CPUs of a topology; `costs`: what a message costs between them
- `kept`: what was measured on a machine, kept for its next boots: `cost_store`, the costs of
  messages; `block_cost`, what it costs a core to sleep and be woken, and how long one polls for
  that
- `tree`, `trees`, `optimum`: multicast trees; `model`: what a tree is predicted to take
- `skb`, `facts`, `questions`, `rules/*.lp`: the system knowledge base, in clingo

Idea: Barrelfish's system knowledge base (SOSP'09 §4.9) and the multicast of its §5.1; Smelt
(OSDI'16).
"""
