"""Charts: what matplotlib draws, behind forms that know nothing of it.

`bars`, `lines` and `heat` take values with their names and give a `Chart`, which is drawn when it
is asked for: as markup for a page, or as a file. Guarantees: series differ by more than colour, and
their colours are told apart by the colour-blind (the set of Okabe and Ito); what lengths stand for
begins at nought; an error bar is the interval given; what is the paper's is hollow or dashed, and
says whose it is.
"""
