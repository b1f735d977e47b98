#!/bin/sh
# Calls one operation of the API that this plugin was made of. Written by `nlapi plugin build`.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
api=$root/api/openapi.json

usage() {
  echo '@command@ OPERATION [KEY=VALUE ...] [--args JSON] [--jq EXPR] [--dry-run | --curl | --yes] [-o json|ndjson|table|raw]' >&2
  echo '@command@ --find WORDS        the operations that words are about' >&2
  echo '@command@ --about OPERATION   all its arguments, as JSON Schema' >&2
  exit 2
}

for word in "$@"; do
  case $word in
    --base-url* | --auth* | --overlay* | --root*)
      echo "@command@ takes no ${word%%=*}: where the API is, and its credentials, are in the environment" >&2
      exit 2
      ;;
  esac
done
if ! command -v nlapi >/dev/null 2>&1; then
  echo '@command@ needs nlapi, which is not on the PATH: pip install nlapi' >&2
  exit 127
fi
case ${1:-} in
  --find)
    shift
    exec nlapi find "$api" "$@"
    ;;
  --about)
    [ $# -eq 2 ] || usage
    exec nlapi tools "$api" --format anthropic --include "id:$2"
    ;;
  '' | -*) usage ;;
esac

@settings@
exec nlapi call "$api" "$@"
