  echo "@command@ needs nlapi, which is not on the PATH. Install it from its checkout, one of:" >&2
  echo "  uv tool install 'PATH_OF_NLAPI[@extra@]'" >&2
  echo "  pipx install 'PATH_OF_NLAPI[@extra@]'" >&2
  exit 127
