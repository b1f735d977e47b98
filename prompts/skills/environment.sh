#!/bin/sh
# Installs the nlapi in this plugin into a separate environment, once, and prints the environment's Python.
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
  printf 'Continue? [Y/n] ' >&2
  read -r answer
  case $answer in [nN]*) fail ;; esac
fi
trap 'rm -rf -- "$new"' EXIT
mkdir -p -- "$home"
# The folder that this is called from may hold settings of an installer, or modules with the names of Python's own.
cd -- "$home"
# The newest Python may not be the one that the wheels are for. Some systems have Python without pip, and an installer takes long:
# wheels that fit are unpacked.
for python in python3.14 python3.13 python3.12 python3.11 python3 ''; do
  [ -n "$python" ] || { say 'it needs Python 3.11 or newer that its wheels fit'; fail; }
  "$python" -I -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue
  "$python" -I -m venv --without-pip --clear "$new" >&2 || continue
  "$new/bin/python" -I - "$root/runtime/wheels" >&2 <<'END' && break
import glob, os, sys, sysconfig, zipfile

paths = glob.glob(os.path.join(sys.argv[1], "*.whl"))
sys.path[:0] = [path for path in paths if os.path.basename(path).startswith("pip-")]
from pip._vendor.packaging.tags import sys_tags
from pip._vendor.packaging.utils import parse_wheel_filename

ranks = {tag: rank for rank, tag in enumerate(sys_tags())}
wheels = {}
for path in paths:
    name, _, _, tags = parse_wheel_filename(os.path.basename(path))
    wheels.setdefault(name, []).extend((ranks[tag], path) for tag in tags if tag in ranks)
missing = ", ".join(name for name, fitting in wheels.items() if not fitting)
if missing:
    sys.exit(f"the plugin has no {missing} for {sys.implementation.name} {sys.version.split()[0]} on {sysconfig.get_platform()}")
for name, fitting in wheels.items():
    if name != "pip":
        zipfile.ZipFile(min(fitting)[1]).extractall(sysconfig.get_path("purelib"))
END
done
: >"$new/complete"
# Of two that install at once one is kept.
[ -e "$ready/complete" ] || rm -rf -- "$ready"
"$new/bin/python" -I -c 'import os, sys; os.rename(*sys.argv[1:])' "$new" "$ready" 2>/dev/null || [ -e "$ready/complete" ] || fail
echo "$ready/bin/python"
