"""A fixed sample of the project's own sentences, which `make test` plans so that no change makes the planner worse."""
