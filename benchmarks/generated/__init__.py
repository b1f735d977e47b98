"""Sentences made from descriptions that no other sentences of the project are about, by templates."""
