#!/bin/sh
# Puts one exact nlapi into an environment of its own, once, and prints the environment's Python. Written by
# `nlapi plugin build --requirement`; no other nlapi than this is fetched:
# @requirement@
set -eu
umask 077
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
home=${XDG_CACHE_HOME:-$HOME/.cache}/nlapi/environments
ready=$home/@key@
new=$home/new-$$-@key@

say() { echo "@command@: $*" >&2; }

fail() {
  say "nlapi could not be installed. Install it yourself, so that \`nlapi\` is on the PATH"
  exit 127
}

same_file() {
  "$new/bin/python" -I -c '
import hashlib, sys
sys.exit(hashlib.sha256(open(sys.argv[1], "rb").read()).hexdigest() != sys.argv[2])' "$1" "$2" || {
    say "$1 is not the file that the plugin was built with"
    return 1
  }
}

if [ -x "$ready/bin/python" ] && [ -e "$ready/complete" ]; then
  echo "$ready/bin/python"
  exit 0
fi
say 'nlapi is not on the PATH: installing the one that this plugin names, once'
trap 'rm -rf -- "$new"' EXIT
mkdir -p -- "$home"
# The folder that this is called from may hold settings of an installer, or modules with the names of Python's own.
cd -- "$home"
if command -v uv >/dev/null 2>&1; then
  uv venv --quiet --python '>=3.11' "$new" >&2 || fail
  install() { uv pip install --quiet --python "$new/bin/python" "$@" >&2; }
else
  for python in python3.14 python3.13 python3.12 python3.11 python3 ''; do
    [ -n "$python" ] || { say 'Python 3.11 or newer is not there either'; fail; }
    "$python" -I -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && break
  done
  "$python" -I -m venv "$new" >&2 || fail
  install() { "$new/bin/python" -I -m pip install --quiet --disable-pip-version-check "$@" >&2; }
fi
{
@install@
} || fail
: >"$new/complete"
# Of two that install at once one is kept.
[ -e "$ready/complete" ] || rm -rf -- "$ready"
"$new/bin/python" -I -c 'import os, sys; os.rename(*sys.argv[1:])' "$new" "$ready" 2>/dev/null || [ -e "$ready/complete" ] || fail
echo "$ready/bin/python"
