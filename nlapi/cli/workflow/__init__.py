"""The commands of `nlapi workflow`: documents opened, shown, filled in and run."""
