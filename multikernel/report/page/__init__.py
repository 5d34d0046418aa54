"""Pages and files: which documents belong together, what stands on the page, what is written."""
