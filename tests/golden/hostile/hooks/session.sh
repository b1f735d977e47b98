#!/bin/sh
# Claude Code runs this at the beginning and at the end of a session. It starts the broker of the session, which keeps in
# its memory what the user configured and what the user was asked about. Written by `nlapi plugin build`.
set -eu
umask 077
id=$(sed -n 's/.*"session_id" *: *"\([A-Za-z0-9-]*\)".*/\1/p' | head -n 1)
[ -n "$id" ] && [ -n "${CLAUDE_PLUGIN_DATA:-}" ] || exit 0
folder=$CLAUDE_PLUGIN_DATA/$id
# A broker ends within a second when its folder is gone.
rm -rf -- "$folder"
[ "${1:-}" = start ] || exit 0

# What sessions that were killed left behind.
find "$CLAUDE_PLUGIN_DATA" -mindepth 1 -maxdepth 1 -type d -name '*-*-*-*-*' -mtime +7 -exec rm -rf -- {} + 2>/dev/null || true
mkdir -p -- "$folder/events"
if [ -n "${CLAUDE_ENV_FILE:-}" ]; then
  quoted=$(printf '%s' "$folder" | sed "s/'/'\\\\''/g")
  printf "export NLAPI_EVIL_ID_REBOOT_USER_CONFIG_X_SESSION='%s'\n" "$quoted" >>"$CLAUDE_ENV_FILE"
fi
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
# What the first call would install is installed before it, where the client waits for this program.
[ ! -f "$root/runtime/environment.sh" ] || command -v nlapi >/dev/null 2>&1 ||
  sh "$root/runtime/environment.sh" </dev/null >/dev/null 2>&1 || true
client=${CLAUDE_PID:-$(ps -o ppid= -p "$PPID" | tr -d ' ')}
sh "$root/bin/nlapi-evil-id-reboot-user-config-x" --session "$folder" "$client" </dev/null >/dev/null 2>&1 &
