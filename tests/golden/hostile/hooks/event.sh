#!/bin/sh
# Claude Code runs this before each tool, and when a turn begins or ends: what the user was asked about earlier, and has
# not been sent by then, may not be sent any more. It makes a file with the id of the event as its name, of which the
# session's broker is told by the system. Written by `nlapi plugin build`.
PATH=/usr/bin:/bin:$PATH
input=$(cat)
# All values of a key of the event: an argument of a tool may have a key of the same name.
values() {
  printf '%s' "$input" | tr '{,}' '\n\n\n' | sed -n "s/^ *\"$1\" *: *\"\([A-Za-z0-9_-]*\)\".*/\1/p" | sort -u
}
id=$(values tool_use_id)
for session in $(values session_id); do
  folder=${CLAUDE_PLUGIN_DATA:-}/$session
  [ -d "$folder/events" ] || continue
  # Without an id, or with several, it is an event like no other. Where no mark can be made, the broker has to end.
  case $id in
    '' | *[!A-Za-z0-9_-]*) mktemp "$folder/events/none-XXXXXX" >/dev/null ;;
    *) : >"$folder/events/$id" ;;
  esac || rm -rf -- "$folder"
done
