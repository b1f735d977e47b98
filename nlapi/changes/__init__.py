"""What makes a change one that the user meant: the verbs, the account of each value, and the table of what stands."""
