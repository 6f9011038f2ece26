#!/usr/bin/env bash
# After a rollout that was killed before it could set its services back, or was refused when it tried: asks for what each
# of them ran before, and waits for nothing. release.sh leaves var/deploy-before only in those cases.
#   deploy/set_back.sh        needs CLUSTER, aws, and credentials of AWS
set -euo pipefail
cd "$(dirname "$0")/.."
before=var/deploy-before
if [[ ! -s $before ]]; then
    echo "nothing is left to set back"
    exit
fi
failed=0
while read -r service definition; do
    aws ecs update-service --cluster "${CLUSTER:?terraform output cluster_name}" --service "$service" \
        --task-definition "$definition" --query service.taskDefinition --output text || failed=1
done <"$before"
echo "Look whether the services settle. Their families' newest revisions are still those of the release that was cancelled."
exit "$failed"
