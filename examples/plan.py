"""What a sentence means, by the embedded planner: no key, no network.

python examples/plan.py "show the active campaigns" [SOURCE]
"""

import sys

import nlapi

question = sys.argv[1] if len(sys.argv) > 1 else "show the active campaigns"
spec = nlapi.load(sys.argv[2] if len(sys.argv) > 2 else "ads")
plan = nlapi.plan(question, spec)
for call in plan.calls:
    print(f"{call.operation_id} {dict(call.arguments)}  ({plan.confidence:.0%} sure)")
    if not plan.missing:
        request = nlapi.build(spec, call.operation_id, call.arguments)
        print(f"{request.method} {request.url}")
for missing in plan.missing:
    print(f"still needed: {missing.argument}: {missing.description}")
