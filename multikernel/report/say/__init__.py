"""What documents say, in words and rows: the answer, the verdict, the table.

Guarantees: whether two things differ is the judge's to say, and the words are the document's.
Nothing here knows how anything is drawn.
"""
