"""An agent on the OpenAI Agents SDK with the same five tools for every API; here in a sandbox of the bundled ads API.

pip install openai-agents
OPENAI_API_KEY=... python examples/openai_agents.py
"""

from agents import Agent, FunctionTool, Runner

import nlapi
from nlapi.sandbox import running


def function(definition):
    async def answer(context, arguments):
        return await tools.answer_async(definition["name"], arguments)

    return FunctionTool(
        definition["name"], definition["description"], definition["parameters"], answer, strict_json_schema=False
    )


spec = nlapi.load("ads")
with running(spec) as server:
    to = {"base_url": server.url, "auth": {"bearer": "any"}, "yes": lambda change: input(f"{change.curl} ? ") == "y"}
    tools = nlapi.toolset(spec, timeout=10, **to)
    functions = [function(definition) for definition in tools.definitions("openai-responses")]
    agent = Agent(name="Ads", model="gpt-5.5", instructions=tools.instructions, tools=functions)
    print(Runner.run_sync(agent, "Pause the campaign Summer Sale.").final_output)
