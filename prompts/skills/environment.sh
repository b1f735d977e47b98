#!/bin/sh
# Installs the nlapi that lies in this plugin into an environment of its own, once, and prints the environment's Python.
# Written by `nlapi plugin build --bundle`; nothing is fetched: @about@.
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

if [ -x "$ready/bin/python" ] && [ -e "$ready/complete" ]; then
  echo "$ready/bin/python"
  exit 0
fi
say 'nlapi is not on the PATH: installing the one of this plugin (@about@) into'
say "$ready, once"
if [ -t 0 ] && [ -t 2 ]; then
  printf 'Go on? [Y/n] ' >&2
  read -r answer
  case $answer in [nN]*) fail ;; esac
fi
trap 'rm -rf -- "$new"' EXIT
mkdir -p -- "$home"
# The folder that this is called from may hold settings of an installer, or modules with the names of Python's own.
cd -- "$home"
wheels=$root/runtime/wheels
if command -v uv >/dev/null 2>&1; then
  uv venv --quiet --offline --no-python-downloads --python '>=3.11' "$new" >&2 || fail
  uv pip install --quiet --offline --no-index --find-links "$wheels" --python "$new/bin/python" '@wanted@' >&2 || fail
else
  for python in python3.14 python3.13 python3.12 python3.11 python3 ''; do
    [ -n "$python" ] || { say 'Python 3.11 or newer is not there either'; fail; }
    "$python" -I -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && break
  done
  # Some systems have Python without its pip.
  "$python" -I -m venv --without-pip "$new" >&2 || fail
  for pip in "$wheels"/pip-*.whl; do :; done
  "$new/bin/python" "$pip/pip" install --quiet --disable-pip-version-check --no-cache-dir --no-index --find-links "$wheels" '@wanted@' >&2 || fail
fi
: >"$new/complete"
# Of two that install at once one is kept.
[ -e "$ready/complete" ] || rm -rf -- "$ready"
"$new/bin/python" -I -c 'import os, sys; os.rename(*sys.argv[1:])' "$new" "$ready" 2>/dev/null || [ -e "$ready/complete" ] || fail
echo "$ready/bin/python"
