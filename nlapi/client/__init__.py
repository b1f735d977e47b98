"""An operation and its values in, a Result out."""
