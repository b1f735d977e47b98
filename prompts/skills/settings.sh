# What the user exported goes before what was configured in Claude Code, which hands it to the MCP server in
# variables, and to this command through a folder that the hook at the beginning of a session makes.
given() {
  eval "now=\${$1:-} option=\${$2:-}"
  case $option in '${'*) option= ;; esac
  if [ -z "$now" ] && [ -z "$option" ] && [ -r "${@session@:-}/$3" ]; then
    option=$(cat "$@session@/$3")
  fi
  [ -n "$now" ] || eval "$1=\$option"
  export "$1"
}
@given@
