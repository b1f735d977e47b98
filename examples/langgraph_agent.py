"""An agent on LangChain and LangGraph, in a sandbox of the bundled ads API; a change is shown and asked about.

pip install langchain langchain-anthropic
ANTHROPIC_API_KEY=... python examples/langgraph_agent.py
"""

from langchain.agents import create_agent
from langchain_core.tools import BaseTool

import nlapi
from nlapi.sandbox import running

spec = nlapi.load("ads")
tools = nlapi.tools(spec)


class ApiTool(BaseTool):
    def _run(self, /, **arguments):
        return nlapi.answer(tools, self.name, arguments, **to)

    async def _arun(self, /, **arguments):
        return await nlapi.aio.answer(tools, self.name, arguments, **to)


parts = [ApiTool(name=tool.name, description=tool.description, args_schema=tool.input_schema) for tool in tools]
agent = create_agent("anthropic:claude-sonnet-5-5", parts)
with running(spec) as server:
    to = {"base_url": server.url, "auth": {"bearer": "any"}, "yes": lambda change: input(f"{change.curl} ? ") == "y"}
    state = agent.invoke({"messages": "Pause the campaign Summer Sale."})
print(state["messages"][-1].text)
