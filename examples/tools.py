"""Tools for a language model from a description: nothing is sent.

python examples/tools.py [SOURCE]
"""

import json
import sys

import nlapi

spec = nlapi.load(sys.argv[1] if len(sys.argv) > 1 else "ads")
tools = nlapi.tools(spec)
print(f"{spec.title} {spec.version}: {len(tools)} tools")
print(json.dumps(tools[0].as_dict("anthropic"), indent=2))
