#!/usr/bin/env bash
# Builds the service image and tries it as it runs in production: read-only, no privileges, as PID 1. Needs Docker.
set -euo pipefail
cd "$(dirname "$0")/.."
docker build --target service --build-arg RELEASE=trial --tag tradingbot:trial .
docker image inspect --format '{{.Size}} bytes unpacked' tradingbot:trial
bot=$(docker run --detach --read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges tradingbot:trial)
trap 'docker logs "$bot"; docker rm --force "$bot" >/dev/null' EXIT
for _ in $(seq 60); do
    if docker exec "$bot" tradingbot health; then
        docker stop --time 40 "$bot"
        [[ $(docker inspect --format '{{.State.ExitCode}}' "$bot") == 0 ]]
        exit
    fi
    sleep 1
done
echo "the container did not become healthy within a minute" >&2
exit 1
