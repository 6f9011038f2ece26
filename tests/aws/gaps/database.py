"""RDS: what the provider reads back of parameter groups and instances."""

from moto.rds.models import DBInstance, DBParameterGroup

from tests.aws.gaps.patching import around


@around(DBParameterGroup)
def update_parameters(original, self, new_parameters):
    """moto leaves out who set a parameter; the provider ignores all that a user has not set, and plans them again."""
    original([dict(one, Source="user", ApplyType="dynamic", IsModifiable=True) for one in new_parameters])


@around(DBInstance, "__init__")
def performance_insights(original, self, *args, **kwargs):
    """moto drops Performance Insights; the provider would switch it on again in every plan."""
    original(*args, **kwargs)
    asked = kwargs.get("enable_performance_insights") or kwargs.get("performance_insights_enabled")
    self.performance_insights_enabled = str(asked).lower() == "true"
    if self.performance_insights_enabled:
        key = kwargs.get("performance_insights_kms_key_id") or kwargs.get("performance_insights_kmskey_id")
        self.performance_insights_kms_key_id = key
        self.performance_insights_retention_period = int(kwargs.get("performance_insights_retention_period") or 7)
