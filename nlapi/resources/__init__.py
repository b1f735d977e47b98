"""What an API is about: its resources, lists, pages, ids, effects and the fields that identify things.

Pure functions of a `Spec` and of answers. The one place that says where a list is, whose id an argument takes and what
only reads; the planner, the answers, MCP, the plugins and the sandbox ask here.
"""
