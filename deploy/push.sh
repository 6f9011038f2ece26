#!/usr/bin/env bash
# Builds the service image for PLATFORM (linux/amd64, or linux/arm64 where features.arm64 is set), scans it and pushes it
# to the registry. Writes image=REPOSITORY@sha256:… and release= to GITHUB_OUTPUT.
#   deploy/push.sh REPOSITORY RELEASE        needs Docker with buildx, aws, and `make scan-tools`
set -euo pipefail
cd "$(dirname "$0")/.."
repository=${1:?the repository: terraform output ecr_repository_url}
release=${2:?the release, such as a commit}
local_image="tradingbot:$release"

docker buildx build --load --target service --platform "${PLATFORM:-linux/amd64}" --build-arg RELEASE="$release" \
    --tag "$local_image" .
deploy/scan.sh "$local_image"
aws ecr get-login-password | docker login --username AWS --password-stdin "${repository%%/*}"
docker tag "$local_image" "$repository:$release"
# Tags in the registry cannot be moved: after a run that failed later on, the image is there already.
if ! aws ecr describe-images --repository-name "${repository#*/}" --image-ids "imageTag=$release" >/dev/null 2>&1; then
    docker push --quiet "$repository:$release"
fi
digest=$(aws ecr describe-images --repository-name "${repository#*/}" --image-ids "imageTag=$release" \
    --query 'imageDetails[0].imageDigest' --output text)
echo "image=$repository@$digest" | tee -a "${GITHUB_OUTPUT:-/dev/null}"
echo "release=$release" | tee -a "${GITHUB_OUTPUT:-/dev/null}"
