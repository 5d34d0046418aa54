"""By which trees a running system sends: measures what messages cost between its cores, asks the
knowledge base for trees, runs the best of them on the cores, and installs the winner.

Below it: knowledge (trees, costs), user (groups). Source: paper §5.1 (the knowledge base makes the
multicast tree from facts); Smelt (OSDI'16) for trees from measured costs. Unlike there, no model
has the last word: what is installed has won on the machine.
"""
