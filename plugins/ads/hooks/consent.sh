#!/bin/sh
# Claude Code asks this before each Bash command and each tool of the plugin: the user is asked about what may change
# something. Written by `nlapi plugin build`. Whatever goes wrong in here, the user is asked.
input=$(cat)
case $(printf '%s' "$input" | tr -d "\\\\\"'") in
  *'nlapi-ads'* | *'mcp__plugin_ads_api__'*) ;;
  *) exit 0 ;;
esac
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
if answer=$(printf '%s' "$input" | sh "$root/bin/nlapi-ads" --hook 2>/dev/null); then
  printf '%s\n' "$answer"
  exit 0
fi
printf '%s\n' '{"hookSpecificOutput": {"hookEventName": "PreToolUse", "permissionDecision": "ask", "permissionDecisionReason": "nlapi cannot tell whether this changes something (is nlapi on the PATH?)."}}'
