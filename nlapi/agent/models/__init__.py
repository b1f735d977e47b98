"""Language models: their servers and prices, the messages to them, and the planner on one."""
