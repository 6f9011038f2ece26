#!/usr/bin/env bash
# Security scans of what is shipped: secrets in the tree, known vulnerabilities in the locks and, given one, in an image.
#   deploy/scan.sh [IMAGE]        needs `make scan-tools`; for an image, Docker
set -euo pipefail
cd "$(dirname "$0")/.."
TRIVY=aquasec/trivy:0.69.3@sha256:bcc376de8d77cfe086a917230e818dc9f8528e3c852f7b1aff648949b6258d1c

export PATH="$PWD/var/scan/bin:$PATH"
python3 deploy/scan_secrets.py
for lock in requirements.txt requirements-*.txt; do
    echo "== $lock"
    pip-audit --require-hashes --disable-pip --requirement "$lock"
done
if (($#)); then
    echo "== $1"
    docker run --rm --volume /var/run/docker.sock:/var/run/docker.sock "$TRIVY" \
        image --quiet --severity HIGH,CRITICAL --ignore-unfixed --exit-code 1 "$1"
fi
