"""Serving hosts: processes that run versions on machines of their own, and the gateway's side of them."""
