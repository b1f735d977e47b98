"""An agent on Pydantic AI with the same six tools for every API; here in a sandbox of the bundled ads API.

pip install "pydantic-ai-slim[anthropic]"
ANTHROPIC_API_KEY=... python examples/pydantic_agent.py
"""

from pydantic_ai import Agent

import nlapi
from nlapi.sandbox import running

spec = nlapi.load("ads")
with running(spec) as server:
    tools = nlapi.toolset(
        spec, base_url=server.url, auth={"bearer": "any"}, yes=lambda change: input(f"{change.curl} ? ") == "y"
    )
    agent = Agent("anthropic:claude-sonnet-5-5", instructions=tools.instructions, tools=tools.pydantic_ai())
    print(agent.run_sync("Pause the campaign Summer Sale.").output)
