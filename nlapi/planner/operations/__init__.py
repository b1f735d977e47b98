"""A sentence in, the ranked operations that it may mean out, and how sure the plan of one is."""
