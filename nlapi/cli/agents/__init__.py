"""What serves an agent: the MCP server, and Claude Code plugins with the broker of their sessions."""
