"""The stand-in answers what moto alone does not, and forgets everything between tests."""

import json
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.aws.gaps.patching import add, around, store
from tests.aws.server import REGION, moto, moto_process  # noqa: F401 - fixtures


@pytest.fixture
def aws(moto: str) -> Any:  # noqa: F811 - the fixture above
    return lambda service: boto3.client(service, region_name=REGION, endpoint_url=moto)


def test_gaps_are_closed(aws: Any) -> None:
    cache = aws("elasticache")
    cache.create_cache_parameter_group(
        CacheParameterGroupName="bot", CacheParameterGroupFamily="redis7", Description="of the bot"
    )
    policy = [{"ParameterName": "maxmemory-policy", "ParameterValue": "volatile-ttl"}]
    cache.modify_cache_parameter_group(CacheParameterGroupName="bot", ParameterNameValues=policy)
    read_back = cache.describe_cache_parameters(CacheParameterGroupName="bot")["Parameters"]
    assert {(one["ParameterName"], one["ParameterValue"]) for one in read_back} == {
        ("maxmemory-policy", "volatile-ttl")
    }

    group = cache.create_replication_group(
        ReplicationGroupId="bot", ReplicationGroupDescription="of the bot", NumCacheClusters=2, Engine="redis"
    )["ReplicationGroup"]
    assert group["MemberClusters"] == ["bot-001", "bot-002"]
    member = cache.describe_cache_clusters(CacheClusterId="bot-002")["CacheClusters"][0]
    assert member["ReplicationGroupId"] == "bot"

    watch = aws("cloudwatch")
    watch.put_composite_alarm(AlarmName="critical", AlarmRule="ALARM(x)", AlarmActions=["arn:aws:sns:x:1:topic"])
    assert [one["AlarmName"] for one in watch.describe_alarms()["CompositeAlarms"]] == ["critical"]


def test_a_test_finds_nothing_of_the_one_before(aws: Any) -> None:
    """Whatever the order: this one makes what it then must not find after a reset."""
    logs = aws("logs")
    assert logs.describe_query_definitions()["queryDefinitions"] == []
    logs.put_query_definition(name="errors", queryString="fields @message")
    assert len(logs.describe_query_definitions()["queryDefinitions"]) == 1


test_a_second_test_finds_nothing_of_the_first = test_a_test_finds_nothing_of_the_one_before


def test_old_versions_are_kept_by_number(aws: Any) -> None:
    s3 = aws("s3")
    s3.create_bucket(Bucket="states", CreateBucketConfiguration={"LocationConstraint": REGION})
    with pytest.raises(ClientError, match="NoSuchLifecycleConfiguration"):
        s3.get_bucket_lifecycle_configuration(Bucket="states")
    for kept in ({"NoncurrentDays": 3, "NewerNoncurrentVersions": 50}, {"NoncurrentDays": 3}):
        rule = {"ID": "old", "Status": "Enabled", "Filter": {}, "NoncurrentVersionExpiration": kept}
        s3.put_bucket_lifecycle_configuration(Bucket="states", LifecycleConfiguration={"Rules": [rule]})
        shown = s3.get_bucket_lifecycle_configuration(Bucket="states")["Rules"]
        assert [one["NoncurrentVersionExpiration"] for one in shown] == [kept]


def test_a_deleted_group_is_gone(aws: Any) -> None:
    cache = aws("elasticache")
    cache.create_replication_group(ReplicationGroupId="bot", ReplicationGroupDescription="of the bot", Engine="redis")
    cache.delete_replication_group(ReplicationGroupId="bot")
    with pytest.raises(ClientError, match="ReplicationGroupNotFound"):
        cache.describe_replication_groups(ReplicationGroupId="bot")


class Server:
    def greet(self, name: str) -> str:
        return f"hello {name}"


def test_a_patch_that_no_longer_fits_is_loud() -> None:
    @around(Server)
    def greet(original: Any, self: Server, name: str) -> str:
        return f"{original(name)}!"

    assert Server().greet("moto") == "hello moto!"

    def greet_nobody(original: Any, self: Server) -> None: ...

    with pytest.raises(AttributeError):
        around(Server)(greet_nobody)
    with pytest.raises(AssertionError, match=r"Server has greet\(\) by now"):
        add(Server)(greet)
    backend = Server()
    store(backend, "tags")["a"] = 1
    assert store(backend, "tags") == {"a": 1}


def test_a_refusal_with_a_condition_refuses_only_then(aws: Any) -> None:
    s3 = aws("s3")
    s3.create_bucket(Bucket="states", CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_object(Bucket="states", Key="one", Body=b"text")
    deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::states/*"}
    without_tls = deny | {"Condition": {"Bool": {"aws:SecureTransport": "false"}}}
    for statements, allowed in (([without_tls], True), ([without_tls, deny], False)):
        policy = {"Version": "2012-10-17", "Statement": statements}
        s3.put_bucket_policy(Bucket="states", Policy=json.dumps(policy))
        if allowed:
            assert s3.head_object(Bucket="states", Key="one")["ContentLength"] == 4
        else:
            with pytest.raises(ClientError, match="403"):
                s3.head_object(Bucket="states", Key="one")
