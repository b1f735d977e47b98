"""What deferred definitions cost beside the constant set of tools: `python -m benchmarks.deferral`.

Bytes of one request's tools, and of what a search adds to the conversation: five definitions, which is what a search of
the provider's returns at most, or the answer of `find`. The five are those that `nlapi.search` finds.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import nlapi
from benchmarks.descriptions import github, stripe

WORDS = {
    "ads": ("pause campaign", "list ads", "upload an asset"),
    "github": ("list issues of a repository", "create a release", "add a label to an issue"),
    "stripe": ("create a customer", "refund a charge", "list invoices"),
}


def size(data: Any) -> int:
    return len(json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode())


def main() -> int:
    sources = {"ads": "ads", "github": github(), "stripe": stripe()}
    for name, source in sources.items():
        if source is None:
            continue
        spec = nlapi.load(source)
        tools = nlapi.tools(spec, defer=True)
        toolset = nlapi.toolset(spec)
        constant = size(toolset.definitions()) + size(toolset.instructions)
        print(
            f"{name}: {len(tools):,} operations; a request has {size(nlapi.manifest(tools)):,} bytes of deferred tools,"
        )
        print(f"  or {constant:,} of the constant set")
        definitions = {tool.operation: tool.as_dict() for tool in tools}
        for words in WORDS[name]:
            matches = [definitions[operation] for operation in nlapi.search(spec, words, limit=5)]
            answer = toolset.answer("find", {"words": words})
            print(f"  {words}: {size(matches):,} bytes of definitions, {len(answer.encode()):,} of `find`")
    return 0


if __name__ == "__main__":
    sys.exit(main())
