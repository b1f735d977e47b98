"""What two versions of a description do not have in common, and what was accepted of the first."""
