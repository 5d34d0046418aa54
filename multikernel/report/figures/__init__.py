"""The figures, one file a kind; `registry` knows which belongs to which experiment. Each is in the
form in which the paper draws it, with the paper's values beside.
"""
