"""Questions about the things that an API listed, answered from its answers."""
