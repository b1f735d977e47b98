"""An agent on the Anthropic SDK with the same six tools for every API; here in a sandbox of the bundled ads API.

pip install anthropic
ANTHROPIC_API_KEY=... python examples/anthropic_agent.py
"""

import anthropic

import nlapi
from nlapi.sandbox import running

spec = nlapi.load("ads")
with running(spec) as server, anthropic.Anthropic() as claude:
    tools = nlapi.toolset(
        spec, base_url=server.url, auth={"bearer": "any"}, yes=lambda change: input(f"{change.curl} ? ") == "y"
    )
    runner = claude.beta.messages.tool_runner(
        model="claude-sonnet-5-5",
        max_tokens=4000,
        system=tools.instructions,
        tools=tools.anthropic(),
        messages=[{"role": "user", "content": "Pause the campaign Summer Sale."}],
        thread=False,
    )
    message = runner.until_done()
print(*(block.text for block in message.content if block.type == "text"))
