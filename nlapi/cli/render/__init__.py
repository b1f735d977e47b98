"""What a person sees: the console, tables, lines about a change, and streams that show any text."""
