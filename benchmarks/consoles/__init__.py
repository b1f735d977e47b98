"""The consoles in Chromium: what a person does in them, with and without scripts."""
