#!/bin/sh
# Claude Code asks this before a Bash command with the name of nlapi in it, and before each tool of the plugin: the user
# is asked about what may change something. Written by `nlapi plugin build`. Whatever goes wrong in here, the user is
# asked. The event on standard input is not read here: the session's broker reads it, from the client itself.
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
if answer=$(sh "$root/bin/nlapi-evil-id-reboot-user-config-x" --hook 2>/dev/null); then
  [ -z "$answer" ] || printf '%s\n' "$answer"
  exit 0
fi
printf '%s\n' '{"hookSpecificOutput": {"hookEventName": "PreToolUse", "permissionDecision": "ask", "permissionDecisionReason": "nlapi cannot tell whether this changes something (is nlapi on the PATH?). A change will not be sent."}}'
