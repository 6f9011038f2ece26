#!/usr/bin/env bash
# Rolls an image out to one environment, which the variables of that GitHub environment describe.
#   deploy/release.sh IMAGE RELEASE        needs CLUSTER, URL and IMAGE_PARAMETER, and credentials of AWS
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p var
exec .venv/bin/tradingbot aws deploy \
    --before var/deploy-before \
    --cluster "${CLUSTER:?terraform output cluster_name}" \
    --url "${URL:?terraform output url}" \
    --parameter "${IMAGE_PARAMETER:?terraform output image_parameter}" \
    --image "${1:?the image, by digest}" \
    --release "${2:?the release the image was built as}"
