"""ElastiCache: parameter groups, members of replication groups, and deletions, none of which moto finishes."""

import inspect
import re
from types import SimpleNamespace

from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult, EmptyResult
from moto.elasticache.models import ElastiCacheBackend, ReplicationGroup
from moto.elasticache.responses import ElastiCacheResponse

from tests.aws.gaps.patching import add, around, store

ARNS = re.compile(
    r"^arn:aws:elasticache:.*:.*:(cluster|snapshot|subnetgroup|replicationgroup|user|usergroup|parametergroup):.*$"
)


class CacheParameterGroupNotFound(ServiceException):
    code = "CacheParameterGroupNotFound"


class UserGroupNotFound(ServiceException):
    code = "UserGroupNotFound"


# --- parameter groups: moto has none -----------------------------------------------------------------------


def _groups(response):
    return store(response.elasticache_backend, "parameter_groups")


def _group(response):
    name = response._get_param("CacheParameterGroupName")
    if name not in _groups(response):
        raise CacheParameterGroupNotFound(f"CacheParameterGroup {name} not found.")
    return _groups(response)[name]


@add(ElastiCacheResponse)
def create_cache_parameter_group(self):
    name = self._get_param("CacheParameterGroupName")
    shown = {
        "CacheParameterGroupName": name,
        "CacheParameterGroupFamily": self._get_param("CacheParameterGroupFamily"),
        "Description": self._get_param("Description"),
        "IsGlobal": False,
        "ARN": f"arn:aws:elasticache:{self.region}:{self.current_account}:parametergroup:{name}",
    }
    _groups(self)[name] = SimpleNamespace(shown=shown, parameters={})
    if tags := self._get_param("Tags", []):
        self.elasticache_backend.tagging_service.tag_resource(shown["ARN"], tags)
    return ActionResult({"CacheParameterGroup": shown})


@add(ElastiCacheResponse)
def describe_cache_parameter_groups(self):
    return ActionResult({"CacheParameterGroups": [_group(self).shown]})


@add(ElastiCacheResponse)
def describe_cache_parameters(self):
    kind = {"Source": "user", "IsModifiable": True, "DataType": "string"}
    parameters = _group(self).parameters.items()
    return ActionResult(
        {"Parameters": [{"ParameterName": key, "ParameterValue": value, **kind} for key, value in parameters]}
    )


@add(ElastiCacheResponse)
def modify_cache_parameter_group(self):
    group = _group(self)
    for one in self._get_param("ParameterNameValues", []):
        group.parameters[one["ParameterName"]] = one["ParameterValue"]
    return ActionResult({"CacheParameterGroupName": group.shown["CacheParameterGroupName"]})


@add(ElastiCacheResponse)
def reset_cache_parameter_group(self):
    group = _group(self)
    for one in self._get_param("ParameterNameValues", []):
        group.parameters.pop(one["ParameterName"], None)
    return ActionResult({"CacheParameterGroupName": group.shown["CacheParameterGroupName"]})


@add(ElastiCacheResponse)
def delete_cache_parameter_group(self):
    name = _group(self).shown["CacheParameterGroupName"]
    del _groups(self)[name]
    return EmptyResult()


@around(ElastiCacheBackend, "__init__")
def arns(original, self, *args, **kwargs):
    """moto refuses to list the tags of a parameter group."""
    original(*args, **kwargs)
    self.arn_regex = ARNS


# --- user groups: moto has users, and no groups of them ------------------------------------------------------


def _user_groups(response):
    return store(response.elasticache_backend, "user_groups")


def _user_group(response):
    name = response._get_param("UserGroupId")
    if name not in _user_groups(response):
        raise UserGroupNotFound(f"UserGroup {name} not found.")
    return _user_groups(response)[name]


@add(ElastiCacheResponse)
def create_user_group(self):
    name = self._get_param("UserGroupId")
    group = {
        "UserGroupId": name,
        "Status": "active",
        "Engine": self._get_param("Engine").lower(),
        "UserIds": self._get_param("UserIds", []),
        "MinimumEngineVersion": "6.0",
        "ReplicationGroups": [],
        "ARN": f"arn:aws:elasticache:{self.region}:{self.current_account}:usergroup:{name}",
    }
    _user_groups(self)[name] = group
    if tags := self._get_param("Tags", []):
        self.elasticache_backend.tagging_service.tag_resource(group["ARN"], tags)
    return ActionResult(group)


@add(ElastiCacheResponse)
def describe_user_groups(self):
    groups = [_user_group(self)] if self._get_param("UserGroupId") else list(_user_groups(self).values())
    return ActionResult({"UserGroups": groups})


@add(ElastiCacheResponse)
def modify_user_group(self):
    group = _user_group(self)
    left = set(group["UserIds"]) - set(self._get_param("UserIdsToRemove", []))
    group["UserIds"] = sorted(left | set(self._get_param("UserIdsToAdd", [])))
    return ActionResult(group)


@add(ElastiCacheResponse)
def delete_user_group(self):
    group = _user_group(self)
    del _user_groups(self)[group["UserGroupId"]]
    return ActionResult({**group, "Status": "deleting"})


# --- replication groups ------------------------------------------------------------------------------------

_NODES = inspect.signature(ReplicationGroup._set_node_members_clusters_disabled)


@around(ReplicationGroup)
def _set_node_members_clusters_disabled(original, self, *args, **kwargs):
    """moto ignores NumCacheClusters and builds one node; the provider would add the others in every plan."""
    call = _NODES.bind(self, *args, **kwargs).arguments
    del call["self"]
    nodes = call["num_cache_clusters"]
    if nodes and nodes > 1 and not call["replicas_per_node_group"]:
        call["replicas_per_node_group"] = nodes - 1
    return original(**call)


@around(ElastiCacheBackend)
def describe_cache_clusters(original, self, cache_cluster_id=None):
    """The provider reads a replication group's engine and windows from its members, which moto does not list."""
    if cache_cluster_id and cache_cluster_id not in self.cache_clusters:
        for group in self.replication_groups.values():
            if cache_cluster_id in group.member_clusters:
                return [_member(group, cache_cluster_id)]
    return original(cache_cluster_id)


def _member(group, name):
    version = group.engine_version or "7.0"
    return SimpleNamespace(
        cache_cluster_id=name,
        replication_group_id=group.replication_group_id,
        engine=group.engine,
        engine_version=f"{version}.7" if version.count(".") == 1 else version,  # members tell the patch level too
        num_cache_nodes=1,
        cache_nodes=[],
        cache_node_type=group.cache_node_type,
        cache_cluster_status="available",
        cache_parameter_group={
            "CacheParameterGroupName": group.cache_parameter_group_name,
            "ParameterApplyStatus": "in-sync",
        },
        cache_subnet_group_name=group.cache_subnet_group_name,
        security_groups=[{"SecurityGroupId": one, "Status": "active"} for one in group.security_group_ids or []],
        transit_encryption_enabled=group.transit_encryption_enabled,
        at_rest_encryption_enabled=group.at_rest_encryption_enabled,
        auto_minor_version_upgrade=True,
        preferred_maintenance_window=group.preferred_maintenance_window,
        snapshot_window=group.snapshot_window,
        snapshot_retention_limit=group.snapshot_retention_limit,
        arn=group.arn.replace(f":replicationgroup:{group.replication_group_id}", f":cluster:{name}"),
        tags=group.tags or [],
    )


# --- deletions: moto leaves what it deletes in place, and the provider waits for it to go -------------------


@around(ElastiCacheBackend)
def delete_replication_group(original, self, replication_group_id, *args, **kwargs):
    answer = original(replication_group_id, *args, **kwargs)
    self.replication_groups.pop(replication_group_id, None)
    return answer


@add(ElastiCacheResponse)
def delete_cache_subnet_group(self):
    name = self._get_param("CacheSubnetGroupName")
    self.elasticache_backend.describe_cache_subnet_groups(name)  # raises what AWS would when there is none
    del self.elasticache_backend.cache_subnet_groups[name]
    return EmptyResult()
