"""The assignment of the mentions of a sentence to the slots of one operation, as the values of its arguments."""
