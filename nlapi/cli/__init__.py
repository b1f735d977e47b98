"""The `nlapi` command: the only package that prints, prompts, reads the environment or exits."""
