"""From a call to an answer: what is sent, with which files, headers and bodies, and what is read around it."""
