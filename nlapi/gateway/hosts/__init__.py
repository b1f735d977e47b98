"""Serving hosts: processes that run versions on other machines, and the gateway's side of them."""
