"""What documents say, in words and rows. Whether two things differ is the judge's to say."""
