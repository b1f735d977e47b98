"""An agent on the Anthropic SDK, in a sandbox of the bundled ads API; a change is shown and asked about.

ANTHROPIC_API_KEY=... python examples/anthropic_loop.py
"""

import anthropic

import nlapi
from nlapi.sandbox import running

spec = nlapi.load("ads")
tools = nlapi.tools(spec)
request = {"model": "claude-sonnet-5-5", "max_tokens": 4000, "tools": [tool.as_dict("anthropic") for tool in tools]}
messages = [{"role": "user", "content": "Pause the campaign Summer Sale."}]
with running(spec) as server, anthropic.Anthropic() as claude:
    to = {"base_url": server.url, "auth": {"bearer": "any"}, "yes": lambda change: input(f"{change.curl} ? ") == "y"}
    while (message := claude.messages.create(messages=messages, **request)).stop_reason == "tool_use":
        calls = [block for block in message.content if block.type == "tool_use"]
        answers = [(call.id, nlapi.answer(tools, call.name, call.input, **to)) for call in calls]
        results = [{"type": "tool_result", "tool_use_id": id, "content": text} for id, text in answers]
        messages += [{"role": "assistant", "content": message.content}, {"role": "user", "content": results}]
print(*(block.text for block in message.content if block.type == "text"))
