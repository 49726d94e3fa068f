#!/usr/bin/env bash
# Runs the Compose file for real: build, up, first sync, changes in the customer's bucket, incremental sync, status, restart, down.
#
#   scripts/check_compose.sh TOOLS      TOOLS is a folder with programs that bring a Docker engine and a MinIO binary
set -euo pipefail
cd "$(dirname "$0")/.."
tools=${1:?the folder of the tools}

export MINIO_IMAGE=${MINIO_IMAGE:-minio/minio:standin} COMPOSE_PROJECT_NAME=s3-sync-check USE_DOCKER=1
"$tools/minio-server" --install >/dev/null
"$tools/docker-engine"

compose() { docker compose -f docker-compose.yml "$@"; }
docker compose version >/dev/null 2>&1 || compose() { docker-compose -f docker-compose.yml "$@"; }
service() { compose exec -T sync-service s3-sync "$@"; }

# Waits until the route is up to date and says so; a cycle may be under way at any one look.
settled() {
  local said=
  for _ in $(seq 60); do
    said=$(service status 2>&1 || true)
    case "$said" in *UP_TO_DATE*) echo "$said"; return 0 ;; esac
    sleep 2
  done
  echo "not up to date: $said" >&2
  return 1
}

finish() {
  local code=$?
  [ "$code" = 0 ] || compose logs --tail 40 || true
  compose down --volumes --remove-orphans >/dev/null 2>&1 || true
  exit "$code"
}
trap finish EXIT

# A cycle a minute at the most while we look, so that the daemon's lock is the only thing in the way.
export SYNC_INTERVAL=5
compose build --quiet
compose up -d sync-service
settled

echo "--- a change in the customer's bucket reaches the file manager"
compose exec -T mock-api python - <<'PYTHON'
import boto3, os
s3 = boto3.client("s3", endpoint_url=os.environ["CUSTOMER_S3_ENDPOINT"], region_name="us-east-1",
                  aws_access_key_id=os.environ["CUSTOMER_S3_ACCESS_KEY"], aws_secret_access_key=os.environ["CUSTOMER_S3_SECRET_KEY"])
s3.put_object(Bucket=os.environ["CUSTOMER_S3_BUCKET"], Key="compose/new.txt", Body=b"made while the stack runs")
PYTHON
compose exec -T mock-api python -m mock_api events --once --from-empty --api http://127.0.0.1:8001 | tail -1
held() { compose exec -T mock-api python -c 'import json,urllib.request as u; r=json.load(u.urlopen("http://127.0.0.1:8001/_mock/files")); f=r if isinstance(r,list) else r["files"]; print(sum(x["file_path"]=="compose/new.txt" for x in f))'; }
for _ in $(seq 30); do [ "$(held)" = 1 ] && break; sleep 2; done
[ "$(held)" = 1 ]

echo "--- restart of every container"
compose restart minio-customer minio-target mock-api sync-service
for _ in $(seq 60); do
  [ "$(compose ps sync-service | grep -c healthy)" = 1 ] && [ "$(compose ps sync-service | grep -c unhealthy)" = 0 ] && break
  sleep 2
done
compose ps
settled
echo "the Compose file works"
