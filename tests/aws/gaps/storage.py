"""S3: how many old versions a lifecycle rule keeps."""

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
