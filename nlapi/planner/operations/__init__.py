"""A sentence in, the ranked operations that it may mean out, and the vetoes on them."""
