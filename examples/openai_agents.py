"""An agent on the OpenAI Agents SDK with the same six tools for every API; here in a sandbox of the bundled ads API.

pip install openai-agents
OPENAI_API_KEY=... python examples/openai_agents.py
"""

from agents import Agent, Runner

import nlapi
from nlapi.sandbox import running

spec = nlapi.load("ads")
with running(spec) as server:
    tools = nlapi.toolset(
        spec, base_url=server.url, auth={"bearer": "any"}, yes=lambda change: input(f"{change.curl} ? ") == "y"
    )
    agent = Agent(name="Ads", model="gpt-5.5", instructions=tools.instructions, tools=tools.openai_agents())
    print(Runner.run_sync(agent, "Pause the campaign Summer Sale.").final_output)
