# What the user exported goes before what was configured in Claude Code, which hands it to hooks and to the MCP server.
given() {
  eval "now=\${$1:-} option=\${$2:-}"
  case $option in '${'*) option= ;; esac
  [ -n "$now" ] || eval "$1=\$option"
  export "$1"
}
@given@
