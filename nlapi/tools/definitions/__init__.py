"""What a model reads of an operation: its definition as a tool, its description, and how good both are."""
