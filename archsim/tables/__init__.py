"""A table as data and its forms: terminal, Markdown, CSV, LaTeX; figures with their units."""
