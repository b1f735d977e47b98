"""Real Arazzo workflows against sandboxes of their APIs: nlapi alone, and beside other runners."""
