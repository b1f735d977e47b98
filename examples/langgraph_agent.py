"""An agent on LangChain and LangGraph with the same five tools for every API; here in a sandbox of the bundled ads API.

pip install langchain langchain-anthropic
ANTHROPIC_API_KEY=... python examples/langgraph_agent.py
"""

from langchain.agents import create_agent
from langchain_core.tools import BaseTool

import nlapi
from nlapi.sandbox import running


class ApiTool(BaseTool):
    def _run(self, /, **arguments):
        return tools.answer(self.name, arguments)

    async def _arun(self, /, **arguments):
        return await tools.answer_async(self.name, arguments)


spec = nlapi.load("ads")
with running(spec) as server:
    to = {"base_url": server.url, "auth": {"bearer": "any"}, "yes": lambda change: input(f"{change.curl} ? ") == "y"}
    tools = nlapi.toolset(spec, timeout=10, **to)
    parts = [
        ApiTool(name=definition["name"], description=definition["description"], args_schema=definition["input_schema"])
        for definition in tools.definitions("anthropic")
    ]
    agent = create_agent("anthropic:claude-sonnet-5-5", parts, system_prompt=tools.instructions)
    state = agent.invoke({"messages": "Pause the campaign Summer Sale."})
print(state["messages"][-1].text)
