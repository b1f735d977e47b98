"""The resources, lists, pages, ids and effects of an API, and the fields that identify its items.

Pure functions of a `Spec` and of answers. The planner, the answers, MCP, the plugins and the sandbox use them and have
no other rules for where a list is, whose id an argument takes or which operation only reads.
"""
