"""`python -m nlapi`: the command line, for environments whose scripts are not on the PATH."""

from __future__ import annotations

from nlapi.cli.main import main

if __name__ == "__main__":
    main()
