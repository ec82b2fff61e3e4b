#!/bin/sh
# Builds both images and starts the service as docs/how-to/containers.md does, on a model of the tests.
set -eu
cd "$(dirname "$0")/.."
docker build -f docker/service.Dockerfile -t reb-serve .
docker build -f docker/project.Dockerfile -t reb-pipeline .
LOCKED_DOWN="--rm --read-only --tmpfs /tmp --cap-drop ALL"
# shellcheck disable=SC2086  # several options
docker run $LOCKED_DOWN reb-pipeline --help > /dev/null
# shellcheck disable=SC2086
service=$(docker run --detach $LOCKED_DOWN --health-interval 2s -v "$PWD/tests/inspection/models/format_2:/model:ro" reb-serve)
trap 'docker stop "$service" > /dev/null' EXIT
for _ in $(seq 60); do
  state=$(docker inspect --format '{{.State.Health.Status}}' "$service")
  [ "$state" = healthy ] && { echo "The service is healthy."; exit 0; }
  sleep 1
done
docker logs "$service"
echo "The service is $state."
exit 1
