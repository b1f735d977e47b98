#!/bin/sh
# Calls one operation of the API that this plugin was made of. Written by `nlapi plugin build`.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
api=$root/api/openapi.json

usage() {
  echo '@command@ OPERATION [KEY=VALUE ...] [--args JSON] [--jq EXPR] [--dry-run | --curl | --yes] [-o json|ndjson|table|raw]' >&2
  echo '@command@ --find WORDS        the operations that words are about' >&2
  echo '@command@ --about OPERATION   all its arguments, as JSON Schema' >&2
  echo '@command@ run RECIPE [KEY=VALUE ...] [--dry-run | --yes]   several calls; without RECIPE the list of recipes' >&2
  echo '@command@ resume [ID]         goes on with a run that stopped' >&2
  echo '@command@ set KEY=VALUE ...   keeps a value for calls that do not say it; settings shows them' >&2
  echo '@command@ --mcp               the same as an MCP server on standard input and output' >&2
  exit 2
}

# nlapi as it is installed. Nothing is fetched by its name, which anybody may take at a registry.
run() {
  if command -v nlapi >/dev/null 2>&1; then exec nlapi "$@"; fi
@fallback@
}

for word in "$@"; do
  case $word in
    --base-url* | --auth* | --no-auth* | --overlay* | --root* | --source*)
      echo "@command@ takes no ${word%%=*}: where the API is, and its credentials, are in the settings" >&2
      exit 2
      ;;
    --y* | -y* | -[!-]*y*)
      # Claude Code asks the user about each change through this plugin's hooks, which say that they are there.
      if [ -n "${CLAUDECODE:-}" ] && [ ! -e "${@session@:-}/hooks" ]; then
        echo '@command@ sends no change in this session: the hooks of its plugin, which ask the user, did not run' >&2
        echo 'start a new session, with hooks enabled' >&2
        exit 6
      fi
      ;;
  esac
done

case ${1:-} in
  --find)
    shift
    run find "$api" "$@"
    ;;
  --about)
    [ $# -eq 2 ] || usage
    run tools "$api" --format anthropic --include "id:$2"
    ;;
  --mcp | --hook)
    [ $# -eq 1 ] || usage
    ;;
  '' | -*) usage ;;
esac

@settings@
verb=call
case $1 in
  set | settings)
    [ "$1" = settings ] || [ $# -gt 1 ] || usage
    shift
    run plugin settings "$root" "$@"
    ;;
  run)
    shift
    verb='plugin run' api=$root
    ;;
  resume)
    shift
    verb='workflow resume' api=
    ;;
  --hook) run plugin consent "$root" ;;
  --mcp)
    # The hooks ask about changes where they run, which they say within a moment; else the server asks by itself.
    verb=mcp consent=elicit tries=0
    hooks=${CLAUDE_PLUGIN_DATA:-}/${CLAUDE_CODE_SESSION_ID:-}/hooks
    while [ -n "${CLAUDE_PLUGIN_DATA:-}" ] && [ "$consent" = elicit ] && [ $tries -lt 20 ]; do
      [ -z "$(find "$hooks" -mmin -1 2>/dev/null)" ] || consent=client
      [ "$consent" = client ] || sleep 0.1
      tries=$((tries + 1))
    done
    set -- --consent "$consent" --name-length @length@
    ;;
esac
@flags@
# The words of the verb are apart, and a verb without a description has none.
# shellcheck disable=SC2086
run $verb ${api:+"$api"} "$@"
