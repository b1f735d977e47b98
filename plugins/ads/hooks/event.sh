#!/bin/sh
# Claude Code runs this before each tool, and when a turn begins or ends: what the user was asked about earlier, and has
# not been sent by then, may not be sent any more. Written by `nlapi plugin build`.
input=$(cat)
value() {
  printf '%s' "$input" | sed -n "s/.*\"$1\" *: *\"\([A-Za-z0-9_-]*\)\".*/\1/p" | head -n 1
}
folder=${CLAUDE_PLUGIN_DATA:-}/$(value session_id)
[ -p "$folder/events" ] || exit 0
id=$(value tool_use_id)
# Opened for reading too, so that nothing waits where no broker reads.
printf '%s\n' "${id:-none}" 1<>"$folder/events"
