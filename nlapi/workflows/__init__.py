"""Arazzo documents in and out: several calls as one document that is read, checked, run, written and compared."""
