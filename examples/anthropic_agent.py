"""An agent on the Anthropic SDK with the same five tools for every API; here in a sandbox of the bundled ads API.

pip install anthropic
ANTHROPIC_API_KEY=... python examples/anthropic_agent.py
"""

import anthropic

import nlapi
from nlapi.sandbox import running

spec = nlapi.load("ads")
messages = [{"role": "user", "content": "Pause the campaign Summer Sale."}]
with running(spec) as server, anthropic.Anthropic() as claude:
    to = {"base_url": server.url, "auth": {"bearer": "any"}, "yes": lambda change: input(f"{change.curl} ? ") == "y"}
    tools = nlapi.toolset(spec, timeout=10, **to)
    request = {"model": "claude-sonnet-5-5", "max_tokens": 4000, "system": tools.instructions}
    request["tools"] = tools.definitions("anthropic")
    while (message := claude.messages.create(messages=messages, **request)).stop_reason == "tool_use":
        calls = [block for block in message.content if block.type == "tool_use"]
        answers = [(call.id, tools.answer(call.name, call.input)) for call in calls]
        results = [{"type": "tool_result", "tool_use_id": id, "content": text} for id, text in answers]
        messages += [{"role": "assistant", "content": message.content}, {"role": "user", "content": results}]
print(*(block.text for block in message.content if block.type == "text"))
