"""The constant tools by which a model operates any API, and the search for operations."""
