"""A document in, a Spec out."""
