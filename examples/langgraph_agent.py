"""An agent on LangChain and LangGraph with the same six tools for every API; here in a sandbox of the bundled ads API.

pip install langchain langchain-anthropic
ANTHROPIC_API_KEY=... python examples/langgraph_agent.py
"""

from langchain.agents import create_agent

import nlapi
from nlapi.sandbox import running

spec = nlapi.load("ads")
with running(spec) as server:
    tools = nlapi.toolset(
        spec, base_url=server.url, auth={"bearer": "any"}, yes=lambda change: input(f"{change.curl} ? ") == "y"
    )
    agent = create_agent("anthropic:claude-sonnet-5-5", tools.langchain(), system_prompt=tools.instructions)
    state = agent.invoke({"messages": [{"role": "user", "content": "Pause the campaign Summer Sale."}]})
print(state["messages"][-1].text)
