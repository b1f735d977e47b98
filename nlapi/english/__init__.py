"""The English language: its word lists, and how words are split, stemmed and compared."""
