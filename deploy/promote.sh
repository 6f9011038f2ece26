#!/usr/bin/env bash
# Brings an image that was built and tried before into this environment's registry, byte for byte, and writes image= and
# release= to GITHUB_OUTPUT. With an image that is there already (a release to go back to) nothing is copied.
#   deploy/promote.sh REPOSITORY [IMAGE]     IMAGE by digest; without it, what the SSM parameter PROMOTE_FROM names
# Needs Docker with buildx, and aws.
set -euo pipefail
cd "$(dirname "$0")/.."
repository=${1:?the repository: terraform output ecr_repository_url}
image=${2:-}
if [[ -z $image ]]; then
    from=${PROMOTE_FROM:?name an image (REPOSITORY@sha256:…), or set PROMOTE_FROM to the image_parameter of staging}
    image=$(aws ssm get-parameter --name "$from" --query Parameter.Value --output text)
fi
by_digest='^([0-9]{12})\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com(\.cn)?/([a-z0-9._/-]+)@(sha256:[0-9a-f]{64})$'
if [[ ! $image =~ $by_digest ]]; then
    echo "$image: write ACCOUNT.dkr.ecr.REGION.amazonaws.com/NAME@sha256:DIGEST" >&2
    exit 2
fi
account=${BASH_REMATCH[1]} name=${BASH_REMATCH[3]} digest=${BASH_REMATCH[4]}

# push.sh has tagged the image with its release, once and for ever.
release=$(aws ecr describe-images --registry-id "$account" --repository-name "$name" --image-ids "imageDigest=$digest" \
    --query 'imageDetails[0].imageTags[0]' --output text)
if [[ -z $release || $release == None ]]; then
    echo "$image has no tag, so nobody knows which release must answer" >&2
    exit 2
fi

here() {
    aws ecr describe-images --repository-name "${repository#*/}" --image-ids "imageDigest=$digest" >/dev/null
}
if ! here 2>/dev/null; then
    for registry in "${image%%/*}" "${repository%%/*}"; do
        aws ecr get-login-password | docker login --username AWS --password-stdin "$registry"
    done
    docker buildx imagetools create --prefer-index=false --tag "$repository:$release" "$image"
    here # the same bytes, or none
fi
echo "image=$repository@$digest" | tee -a "${GITHUB_OUTPUT:-/dev/null}"
echo "release=$release" | tee -a "${GITHUB_OUTPUT:-/dev/null}"
