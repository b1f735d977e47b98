"""An agent on Google's Agent Development Kit with the same five tools for every API; here in a sandbox of the ads API.

pip install google-adk
GEMINI_API_KEY=... python examples/google_adk.py
"""

import asyncio

from google.adk.agents import Agent
from google.adk.runners import InMemoryRunner
from google.adk.tools import BaseTool
from google.genai.types import FunctionDeclaration

import nlapi
from nlapi.sandbox import running


class ApiTool(BaseTool):
    def _get_declaration(self):
        return FunctionDeclaration(**declarations[self.name])

    async def run_async(self, *, args, tool_context):
        return await tools.answer_async(self.name, args)


spec = nlapi.load("ads")
with running(spec) as server:
    to = {"base_url": server.url, "auth": {"bearer": "any"}, "yes": lambda change: input(f"{change.curl} ? ") == "y"}
    tools = nlapi.toolset(spec, timeout=10, **to)
    declarations = {one["name"]: one for one in tools.definitions("gemini")}
    parts = [ApiTool(name=one["name"], description=one["description"]) for one in declarations.values()]
    agent = Agent(name="ads", model="gemini-3.8-flash", instruction=tools.instructions, tools=parts)
    asyncio.run(InMemoryRunner(agent=agent).run_debug("Pause the campaign Summer Sale."))
