"""Commands that change something, end to end: is exactly what was said carried out, and nothing else?"""
