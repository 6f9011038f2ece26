"""Saved log queries, composite alarms and budgets: calls that moto does not know."""

import json
import uuid

from moto.budgets.responses import BudgetsResponse
from moto.cloudwatch.responses import CloudWatchResponse
from moto.logs.responses import LogsResponse

from tests.aws.gaps.patching import add, around, store

CHANGED_AT = 1_700_000_000_000  # milliseconds; nobody compares it


# --- saved queries of Logs Insights --------------------------------------------------------------------------


def _queries(response):
    return store(response.logs_backend, "query_definitions")


@add(LogsResponse)
def put_query_definition(self):
    key = self._get_param("queryDefinitionId") or str(uuid.uuid4())
    _queries(self)[key] = {
        "queryDefinitionId": key,
        "name": self._get_param("name"),
        "queryString": self._get_param("queryString"),
        "logGroupNames": self._get_param("logGroupNames") or [],
        "lastModified": CHANGED_AT,
    }
    return json.dumps({"queryDefinitionId": key})


@add(LogsResponse)
def describe_query_definitions(self):
    prefix = self._get_param("queryDefinitionNamePrefix") or ""
    found = [one for one in _queries(self).values() if one["name"].startswith(prefix)]
    return json.dumps({"queryDefinitions": found})


@add(LogsResponse)
def delete_query_definition(self):
    gone = _queries(self).pop(self._get_param("queryDefinitionId"), None)
    return json.dumps({"success": gone is not None})


# --- composite alarms ----------------------------------------------------------------------------------------


@add(CloudWatchResponse)
def put_composite_alarm(self):
    """moto's metric alarms already read a rule and are listed as composite when they have one."""
    return self.put_metric_alarm()


# --- budgets -------------------------------------------------------------------------------------------------


def _tags(response, arn):
    return store(response.backend, "tags").setdefault(arn, {})


@around(BudgetsResponse)
def create_budget(original, self):
    answer = original()
    name, tags = self._get_param("Budget")["BudgetName"], self._get_param("ResourceTags") or []
    arn = f"arn:aws:budgets::{self._get_param('AccountId')}:budget/{name}"
    _tags(self, arn).update({one["Key"]: one["Value"] for one in tags})
    return answer


@add(BudgetsResponse)
def describe_subscribers_for_notification(self):
    asked = self._get_param("Notification").items()
    budget = self.backend.budgets[self._get_param("AccountId")][self._get_param("BudgetName")]
    for one in budget.notifications:
        if all(one.details.get(key) == value for key, value in asked if key != "NotificationState"):
            return json.dumps({"Subscribers": one.subscribers})
    return json.dumps({"Subscribers": []})


@add(BudgetsResponse)
def list_tags_for_resource(self):
    tags = _tags(self, self._get_param("ResourceARN"))
    return json.dumps({"ResourceTags": [{"Key": key, "Value": value} for key, value in tags.items()]})


@add(BudgetsResponse)
def tag_resource(self):
    _tags(self, self._get_param("ResourceARN")).update(
        {one["Key"]: one["Value"] for one in self._get_param("ResourceTags") or []}
    )
    return json.dumps({})


@add(BudgetsResponse)
def untag_resource(self):
    for key in self._get_param("ResourceTagKeys") or []:
        _tags(self, self._get_param("ResourceARN")).pop(key, None)
    return json.dumps({})
