"""An agent on Google's Agent Development Kit with the same six tools for every API; here in a sandbox of the ads API.

pip install google-adk
GEMINI_API_KEY=... python examples/google_adk.py
"""

import asyncio

from google.adk.agents import Agent
from google.adk.runners import InMemoryRunner

import nlapi
from nlapi.sandbox import running

spec = nlapi.load("ads")
with running(spec) as server:
    tools = nlapi.toolset(
        spec, base_url=server.url, auth={"bearer": "any"}, yes=lambda change: input(f"{change.curl} ? ") == "y"
    )
    agent = Agent(name="ads", model="gemini-3.8-flash", instruction=tools.instructions, tools=tools.google_adk())
    asyncio.run(InMemoryRunner(agent=agent).run_debug("Pause the campaign Summer Sale."))
