#!/usr/bin/env bash
# The commands of the S3 Sync Service: in the Compose stack where an engine answers, else in the local virtual environment.
#
#   ./sync_cli.sh COMMAND [ARGUMENT...]
#
# initial-sync incremental-sync daemon status test plan scan check explain retry-failed approve-deletes runs backup restore rebuild
# config doctor demo
# help lists them with what they do, and help COMMAND its options, such as those of incremental-sync --plan FILE.
# Exit codes are the service's own. USE_DOCKER=0 or 1 decides instead of looking for an engine.
set -euo pipefail

case "${1:-help}" in
  -h|--help) sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 0 ;;
  *) exec "$(dirname "$0")/scripts/dispatch.sh" run "${@:-help}" ;;
esac
