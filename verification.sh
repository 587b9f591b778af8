#!/usr/bin/env bash
# Starts the containers, requests /secret and /health, and stops the containers. Requires Docker, compose, curl and jq.
set -euo pipefail
cd "$(dirname "$0")"

compose=docker-compose
command -v "$compose" >/dev/null || compose='docker compose'

trap '$compose down' EXIT
$compose up --detach --build
sleep 5

curl --fail --silent --show-error 127.0.0.1:5000/secret | jq .secret_code
curl --fail --silent --show-error 127.0.0.1:5000/health | jq .
