"""Tables of results and inputs, for the terminal, Markdown, CSV and JSON alike."""
