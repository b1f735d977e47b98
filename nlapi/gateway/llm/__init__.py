"""Versions that are large language models behind an HTTP API of OpenAI's or Anthropic's form."""
