  python=$(sh "$root/@environment@") || exit 127
  exec "$python" -I -m nlapi "$@"
