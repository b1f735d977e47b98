"""The tools of a Toolset in the forms of agent frameworks, each of which is imported when it is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nlapi.agent.toolset.toolset import Toolset

Definition = Mapping[str, Any]


def anthropic_tools(toolset: Toolset) -> list[Any]:
    """Return the tools for `client.beta.messages.tool_runner`."""
    from anthropic import beta_tool

    def convert(definition: Definition) -> Any:
        name = definition["name"]
        return beta_tool(
            lambda **arguments: toolset.answer(name, arguments),
            name=name,
            description=definition["description"],
            input_schema=definition["input_schema"],
        )

    return list(map(convert, toolset.definitions("anthropic")))


def openai_agents_tools(toolset: Toolset) -> list[Any]:
    """Return the tools for an `agents.Agent`."""
    from agents import FunctionTool

    def convert(definition: Definition) -> Any:
        async def answer(_: Any, arguments: str) -> str:
            return await toolset.answer_async(definition["name"], arguments)

        return FunctionTool(
            name=definition["name"],
            description=definition["description"],
            params_json_schema=definition["parameters"],
            on_invoke_tool=answer,
            strict_json_schema=False,
        )

    return list(map(convert, toolset.definitions("openai-responses")))


def langchain_tools(toolset: Toolset) -> list[Any]:
    """Return the tools for LangChain and LangGraph."""
    from langchain_core.tools import StructuredTool

    def convert(definition: Definition) -> Any:
        async def answer(**arguments: Any) -> str:
            return await toolset.answer_async(definition["name"], arguments)

        return StructuredTool(
            name=definition["name"],
            description=definition["description"],
            args_schema=definition["input_schema"],
            func=lambda **arguments: toolset.answer(definition["name"], arguments),
            coroutine=answer,
        )

    return list(map(convert, toolset.definitions("anthropic")))


def pydantic_ai_tools(toolset: Toolset) -> list[Any]:
    """Return the tools for a `pydantic_ai.Agent`."""
    from pydantic_ai import Tool

    def convert(definition: Definition) -> Any:
        async def answer(**arguments: Any) -> str:
            return await toolset.answer_async(definition["name"], arguments)

        return Tool.from_schema(
            answer,
            name=definition["name"],
            description=definition["description"],
            json_schema=definition["input_schema"],
        )

    return list(map(convert, toolset.definitions("anthropic")))


def smolagents_tools(toolset: Toolset) -> list[Any]:
    """Return the tools for the agents of smolagents."""
    from smolagents import Tool

    class SmolagentsTool(Tool):  # type: ignore[misc]  # the package need not be installed
        skip_forward_signature_validation = True
        output_type = "string"

        def __init__(self, definition: Definition) -> None:
            schema = definition["input_schema"]
            self.name, self.description = definition["name"], definition["description"]
            self.inputs = {
                name: {
                    **part,
                    "type": part.get("type", "any"),
                    "description": part.get("description", name),
                    "nullable": name not in schema.get("required", ()),
                }
                for name, part in schema["properties"].items()
            }
            super().__init__()

        def forward(self, **arguments: Any) -> str:
            return toolset.answer(self.name, {name: value for name, value in arguments.items() if value is not None})

    return list(map(SmolagentsTool, toolset.definitions("anthropic")))


def google_adk_tools(toolset: Toolset) -> list[Any]:
    """Return the tools for an agent of Google's Agent Development Kit."""
    from google.adk.tools import BaseTool
    from google.genai.types import FunctionDeclaration

    class AdkTool(BaseTool):  # type: ignore[misc]  # the package need not be installed
        def __init__(self, declaration: Definition) -> None:
            super().__init__(name=declaration["name"], description=declaration["description"])
            self._declaration = FunctionDeclaration(**declaration)

        def _get_declaration(self) -> Any:
            return self._declaration

        async def run_async(self, *, args: dict[str, Any], tool_context: Any) -> str:
            return await toolset.answer_async(self.name, args)

    return list(map(AdkTool, toolset.definitions("gemini")))


def mcp_server(toolset: Toolset) -> Any:
    """Return a server of the package `mcp` with the tools, to run in a program."""
    import mcp_types as types
    from mcp.server.lowlevel.server import Server

    async def list_tools(context: Any, params: Any) -> types.ListToolsResult:
        return types.ListToolsResult(tools=list(map(types.Tool.model_validate, toolset.definitions("mcp"))))

    async def call_tool(context: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
        text = await toolset.answer_async(params.name, params.arguments)
        return types.CallToolResult(content=[types.TextContent(text=text)])

    return Server("nlapi", instructions=toolset.instructions, on_list_tools=list_tools, on_call_tool=call_tool)
