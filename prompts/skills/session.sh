#!/bin/sh
# Claude Code runs this at the beginning and at the end of a session. It says that the plugin's hooks are there, and hands
# what the user configured to the plugin's command: each value in a file that only the user can read. Written by
# `nlapi plugin build`.
set -eu
umask 077
id=$(sed -n 's/.*"session_id" *: *"\([A-Za-z0-9-]*\)".*/\1/p' | head -n 1)
[ -n "$id" ] && [ -n "${CLAUDE_PLUGIN_DATA:-}" ] || exit 0
folder=$CLAUDE_PLUGIN_DATA/$id
rm -rf -- "$folder"
[ "${1:-}" = start ] || exit 0

# What sessions that were killed left behind.
find "$CLAUDE_PLUGIN_DATA" -mindepth 1 -maxdepth 1 -type d -name '*-*-*-*-*' -mtime +7 -exec rm -rf -- {} + 2>/dev/null || true
mkdir -p -- "$folder"
for key in @keys@; do
  name=@option@$(printf '%s' "$key" | tr '[:lower:]' '[:upper:]')
  eval "value=\${$name:-}"
  [ -z "$value" ] || printf '%s' "$value" >"$folder/$key"
done
: >"$folder/hooks"
if [ -n "${CLAUDE_ENV_FILE:-}" ]; then
  quoted=$(printf '%s' "$folder" | sed "s/'/'\\\\''/g")
  printf "export @session@='%s'\n" "$quoted" >>"$CLAUDE_ENV_FILE"
fi
