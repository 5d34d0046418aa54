"""Charts: what matplotlib draws, behind forms that know nothing of it.

Guarantees: series differ by more than colour, in colours that the colour-blind tell apart; lengths
begin at nought; an error bar is the interval given; what is the paper's is hollow or dashed.
"""
