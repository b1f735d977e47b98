"""An agent on smolagents with the same six tools for every API; here in a sandbox of the bundled ads API.

pip install "smolagents[openai]"
OPENAI_API_KEY=... python examples/smolagents_agent.py
"""

from smolagents import OpenAIModel, ToolCallingAgent

import nlapi
from nlapi.sandbox import running

spec = nlapi.load("ads")
with running(spec) as server:
    tools = nlapi.toolset(
        spec, base_url=server.url, auth={"bearer": "any"}, yes=lambda change: input(f"{change.curl} ? ") == "y"
    )
    agent = ToolCallingAgent(tools.smolagents(), OpenAIModel("gpt-5.5"), instructions=tools.instructions)
    print(agent.run("Pause the campaign Summer Sale."))
