"""Tables of any program as rows of text."""
