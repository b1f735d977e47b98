"""An agent on the OpenAI Agents SDK, in a sandbox of the bundled ads API; a change is shown and asked about.

pip install openai-agents
OPENAI_API_KEY=... python examples/openai_agents.py
"""

from agents import Agent, FunctionTool, Runner

import nlapi
from nlapi.sandbox import running

spec = nlapi.load("ads")
tools = nlapi.tools(spec)


def function(tool):
    async def answer(context, arguments):
        return await nlapi.aio.answer(tools, tool.name, arguments, **to)

    return FunctionTool(tool.name, tool.description, tool.input_schema, answer, strict_json_schema=False)


agent = Agent(name="Ads", model="gpt-5.5", tools=[function(tool) for tool in tools])
with running(spec) as server:
    to = {"base_url": server.url, "auth": {"bearer": "any"}, "yes": lambda change: input(f"{change.curl} ? ") == "y"}
    print(Runner.run_sync(agent, "Pause the campaign Summer Sale.").final_output)
