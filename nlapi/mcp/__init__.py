"""An API as an MCP server, over stdio and streamable HTTP (`nlapi mcp`), on the SDK of the extra `mcp`."""
