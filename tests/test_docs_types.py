"""The Python of README and of the page on agents is typed: mypy, strict, has nothing to say about it.

The guide's loops on the SDKs themselves are left out: they give plain dicts where those want their own types.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_every_snippet_passes_mypy_strict(tmp_path: Path) -> None:
    for page in (ROOT / "README.md", ROOT / "docs" / "agents.md"):
        blocks = re.findall(r"^```python\n(.*?)^```$", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
        for number, block in enumerate(blocks, 1):
            (tmp_path / f"{page.stem.replace('-', '_').lower()}_{number}.py").write_text(block, encoding="utf-8")
    # With the options of pyproject.toml and the cache of `make types`, which has read nlapi and the SDKs before. The
    # frameworks that are not installed have no types here; nlapi's own have to fit.
    command = [sys.executable, "-m", "mypy", "--strict", *map(str, sorted(tmp_path.glob("*.py")))]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout
