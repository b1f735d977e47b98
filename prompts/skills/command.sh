#!/bin/sh
# Calls one operation of the API that this plugin was made of. Written by `nlapi plugin build`.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
api=$root/api/openapi.json

usage() {
  echo '@command@ OPERATION [KEY=VALUE ...] [--args JSON] [--jq EXPR] [--dry-run | --curl | --yes] [-o json|ndjson|table|raw]' >&2
  echo '@command@ batch FILE [OPERATION] [--dry-run | --yes]   the calls of a .jsonl, .json or .csv file' >&2
  echo '@command@ --find WORDS        the operations that words are about' >&2
  echo '@command@ --about OPERATION [ARGUMENT.PATH]   all its arguments, or one of them whole' >&2
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
  esac
done

case ${1:-} in
  --find)
    shift
    run find "$api" "$@"
    ;;
  --about)
    [ $# -eq 2 ] || [ $# -eq 3 ] || usage
    run tools "$api" --format markdown --include "id:$2" --opener '@command@ --about' ${3+--argument "$3"}
    ;;
  --session)
    [ $# -eq 3 ] || usage
    shift
    run plugin session "$root" "$@"
    ;;
  --mcp | --hook)
    [ $# -eq 1 ] || usage
    ;;
  '' | -*) usage ;;
esac

# In a client's session the broker makes the call: it has what the user configured, and knows what the user was asked.
if [ -n "${@session@:-}" ] && [ "$1" != --mcp ] && [ "$1" != --hook ]; then
  run plugin command "$root" "$@session@" -- "$@"
fi

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
    verb=mcp
    shift
    set -- --name-length @length@
    ;;
  batch)
    verb=batch
    shift
    ;;
esac
@flags@
# The words of the verb are apart, and a verb without a description has none.
# shellcheck disable=SC2086
run $verb ${api:+"$api"} "$@"
