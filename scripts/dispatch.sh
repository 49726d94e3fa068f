#!/usr/bin/env bash
# Carries out what the front doors (Makefile, sync_cli.sh) are asked: with Docker Compose where an engine answers, else in .venv.
#
#   scripts/dispatch.sh setup|up|down|clean|daemon|test-workflow|logs [NAME]|logs-sync|shell
#   scripts/dispatch.sh run COMMAND [ARGUMENT...]        a command of the service, its exit code unchanged
#   scripts/dispatch.sh where                            says which of the two it would be
#
# USE_DOCKER=1 or 0 decides instead of looking.
set -euo pipefail
cd "$(dirname "$0")/.."

local_stack=${LOCAL_STACK_DIR:-data/local}

say() { echo "$*" >&2; }

# ---------------------------------------------------------------- Docker or not

compose_command() {
  if docker compose version >/dev/null 2>&1; then echo docker compose
  elif command -v docker-compose >/dev/null 2>&1; then echo docker-compose
  else return 1; fi
}

engine_answers() {
  command -v docker >/dev/null 2>&1 || return 1
  if command -v timeout >/dev/null 2>&1; then timeout 10 docker info >/dev/null 2>&1; else docker info >/dev/null 2>&1; fi
}

docker_wanted() {
  case "${USE_DOCKER:-}" in
    1|true|yes) compose_command >/dev/null || { say "USE_DOCKER is set, but there is no docker compose"; exit 1; } ;;
    0|false|no) return 1 ;;
    "") engine_answers && compose_command >/dev/null ;;
    *) say "USE_DOCKER=$USE_DOCKER: expected 1 or 0"; exit 2 ;;
  esac
}

# ---------------------------------------------------------------- in containers

compose() { ${compose_words} "$@"; }

terminal() { if [ -t 0 ] && [ -t 1 ]; then echo; else echo -T; fi; }

runs() {
  local id
  id=$(compose ps -q "$1" 2>/dev/null | head -1)
  [ -n "$id" ] && [ "$(docker inspect -f '{{.State.Running}}' "$id" 2>/dev/null)" = true ]
}

docker_run() {
  if runs sync-service; then
    # shellcheck disable=SC2046
    compose exec $(terminal) sync-service s3-sync "$@"
  else
    # What the service depends on is started with it, and left alone where it runs.
    # shellcheck disable=SC2046
    compose run --rm $(terminal) $(if runs mock-api; then echo --no-deps; fi) sync-service "$@"
  fi
}

docker_events() {
  compose exec -T mock-api python -m mock_api events --once --from-empty --api http://127.0.0.1:8001 | tail -n 20
}

# What the bucket holds before anyone changes it, so that what changes afterwards becomes events.
docker_first_look() {
  compose exec -T mock-api sh -c 'ls /data/events-*.json >/dev/null 2>&1 ||
    python -m mock_api events --once --api http://127.0.0.1:8001 >/dev/null'
}

docker_do() {
  case "$1" in
    setup) compose build ;;
    up) compose up -d minio-customer minio-target mock-api && compose run --rm -T minio-init && docker_first_look ;;
    touch) compose run --rm -T minio-init --touch ;;
    daemon) compose up -d sync-service && say "the daemon runs; status at http://127.0.0.1:${STATUS_PORT:-8090}/status, log: make logs-sync" ;;
    pause) runs sync-service && compose stop sync-service ;;
    events) docker_events ;;
    down) compose down --remove-orphans ;;
    clean) compose down --volumes --remove-orphans ;;
    logs) shift; compose logs --tail 100 $(follow) "$@" ;;
    logs-sync) compose logs --tail 100 $(follow) sync-service ;;
    shell) if runs sync-service; then compose exec sync-service sh; else compose run --rm --entrypoint sh sync-service; fi ;;
  esac
}

# ---------------------------------------------------------------- in .venv

stack() { .venv/bin/python -m scripts.local_stack "$@"; }

# The stack is ended by any Python: .venv may be gone, or its interpreter, and the processes live on.
any_python() {
  local candidate
  for candidate in .venv/bin/python ${PYTHON:-} python3 python3.13 python3.12 python3.11; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then echo "$candidate"; return; fi
  done
  return 1
}

# down, clean: nothing is deleted before the processes have ended.
end_stack() {
  local python
  if [ ! -d "$local_stack" ]; then say "there is no local stack"; return; fi
  if ! python=$(any_python); then
    say "the stack was not ended: that needs Python 3.11 or newer, PYTHON=/path/of/python names one ($local_stack/stack.json has its processes)"
    return 2
  fi
  "$python" -m scripts.local_stack "$1"
}

local_shell() {
  if [ -f "$local_stack/stack.env" ]; then
    set -a
    # shellcheck disable=SC1091
    . "$local_stack/stack.env"
    set +a
  fi
  PATH=$PWD/.venv/bin:$PATH exec "${SHELL:-sh}"
}

local_do() {
  case "$1" in
    down|clean) end_stack "$1"; return ;;
    *) scripts/setup_venv.sh ;;
  esac
  case "$1" in
    setup) say "next: make up initial-sync" ;;
    up|daemon|pause) stack "$1" ;;
    touch) stack run scripts.init_buckets --touch ;;
    events) stack run mock_api events --once --from-empty | tail -n 20 ;;
    logs) shift; stack logs "$@" $(follow | sed 's/-f/--follow/') ;;
    logs-sync) stack logs daemon $(follow | sed 's/-f/--follow/') ;;
    shell) local_shell ;;
  esac
}

# ---------------------------------------------------------------- both

follow() { if [ -t 1 ]; then echo -f; fi; }

act() { if [ "$mode" = docker ]; then docker_do "$@"; else local_do "$@"; fi; }

run() {
  if [ "$mode" = docker ]; then docker_run "$@"; else scripts/setup_venv.sh; stack run sync_service.main "$@"; fi
}

# The daemon holds the catalogue's lock: it rests while the workflow runs, and goes on afterwards.
test_workflow() {
  local paused=0 code=0
  act up
  if act pause; then paused=1; say "the daemon rests while the workflow runs"; fi
  act touch
  act events
  run test "$@" || code=$?
  if [ "$paused" = 1 ]; then act daemon; fi
  return "$code"
}

mode=local
if docker_wanted; then mode=docker; compose_words=$(compose_command); fi

case "${1:-}" in
  setup|up|down|clean|daemon|logs|logs-sync|shell) act "$@" ;;
  test-workflow) shift; test_workflow "$@" ;;
  run) shift; run "$@" ;;
  where) echo "$mode" ;;
  *) sed -n '2,8s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
