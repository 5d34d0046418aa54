"""The figures, one file a kind; `registry` knows which belongs to which experiment.

Guarantees: drawn from documents alone; an experiment that has no figure of its own is drawn by
`generic`, so every series of every document appears somewhere. What is drawn is what the document
says: medians, and the intervals of the median over boots; controls stand beside what they
repeat. Idea: each figure in the form in which the paper draws it, with the paper's values beside.
"""
