"""S3: how many old versions a lifecycle rule keeps, and refusals that have a condition."""

import json

from moto.iam.access_control import PermissionResult
from moto.s3.models import FakeBucket
from moto.s3.responses import S3Response

from tests.aws.gaps.patching import around


@around(FakeBucket)
def set_lifecycle(original, self, rules):
    original(rules)
    for kept, told in zip(self.rules, rules, strict=True):
        kept.newer_versions = (told.get("NoncurrentVersionExpiration") or {}).get("NewerNoncurrentVersions")


@around(S3Response)
def get_bucket_lifecycle(original, self):
    """moto forgets the number; the provider waits three minutes to read it back, in vain."""
    rules = self.backend.get_bucket_lifecycle(self.bucket_name)
    if not any(kept.newer_versions for kept in rules or ()):
        return original()
    plain = self.serialized

    def with_numbers(answer):
        for kept, shown in zip(rules, answer.result["Rules"], strict=True):
            if kept.newer_versions:
                shown["NoncurrentVersionExpiration"]["NewerNoncurrentVersions"] = kept.newer_versions
        return plain(answer)

    self.serialized = with_numbers  # of this one answer: moto makes a response object for each request
    return original()


@around(FakeBucket)
def get_permission(original, self, action, resource):
    """moto takes "deny without TLS" for "deny": conditions are not looked at. Here they do not refuse."""
    if self.policy is None or original(action, resource) != PermissionResult.DENIED:
        return original(action, resource)
    whole = json.loads(self.policy)
    told, self.policy = (
        self.policy,
        json.dumps({**whole, "Statement": [one for one in whole["Statement"] if "Condition" not in one]}).encode(),
    )
    try:
        return original(action, resource)
    finally:
        self.policy = told
