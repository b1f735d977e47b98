"""The commands of `nlapi gateway`: start a gateway, operate it, and show its objectives and versions."""
