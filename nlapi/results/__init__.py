"""Answers of APIs kept whole: what a model is shown of one, and queries that read the rest without another call."""
