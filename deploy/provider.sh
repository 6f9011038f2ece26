#!/usr/bin/env bash
# Fetches terraform's AWS provider into a folder the gates look in, and names it to the following steps of a workflow.
set -euo pipefail
cd "$(dirname "$0")/.."
folder="$PWD/var/terraform/providers"
mkdir -p "$folder"
terraform -chdir=terraform get >/dev/null # nothing is mirrored while modules are not installed
terraform -chdir=terraform providers mirror "$folder"
echo "TF_PLUGIN_DIR=$folder" | tee -a "${GITHUB_ENV:-/dev/null}"
