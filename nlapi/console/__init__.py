"""Pages for people: what waits for an answer, what was asked, and what a gateway does, in a browser."""
