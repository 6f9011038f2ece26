"""ECS services, Lambda functions and autoscaling targets: attributes that moto takes and does not give back."""

import json

from moto.applicationautoscaling.responses import ApplicationAutoScalingResponse
from moto.awslambda.models import LambdaFunction
from moto.ecs.responses import EC2ContainerServiceResponse

from tests.aws.gaps.patching import add, around, store

# What the provider sends of a service, and the name under which moto would show it.
SERVICE_FIELDS = {
    "enableExecuteCommand": "enable_execute_command",
    "healthCheckGracePeriodSeconds": "health_check_grace_period_seconds",
    "availabilityZoneRebalancing": "availability_zone_rebalancing",
    "deploymentConfiguration": "deployment_configuration",
    "enableECSManagedTags": "enable_ecs_managed_tags",
    "placementConstraints": "placement_constraints",
    "placementStrategy": "placement_strategy",
}


@around(EC2ContainerServiceResponse)
def create_service(original, self):
    answer = original()
    _remember(self, self._get_param("serviceName"))
    return answer


@around(EC2ContainerServiceResponse)
def update_service(original, self):
    answer = original()
    _remember(self, self._get_param("service"))
    return answer


def _remember(response, name):
    service = response.ecs_backend.describe_services(response._get_param("cluster", "default"), [name])[0][0]
    for sent, shown in SERVICE_FIELDS.items():
        if (value := response._get_param(sent)) is not None:
            setattr(service, shown, value)
    if strategy := response._get_param("capacityProviderStrategy"):
        full = [{"weight": 0, "base": 0, **{key: one[key] for key in one}} for one in strategy]
        service.capacity_provider_strategy = full
    if getattr(service, "capacity_provider_strategy", None):
        service.launch_type = None  # a service has the one or the other
    if not hasattr(service, "availability_zone_rebalancing"):
        service.availability_zone_rebalancing = "DISABLED"
    service.platform_version = service.platform_version or "LATEST"


# --- Lambda: where failed invocations go, and where it logs --------------------------------------------------

FUNCTION_FIELDS = ("DeadLetterConfig", "LoggingConfig")


@around(LambdaFunction, "__init__")
def function_fields(original, self, account_id, spec, *args, **kwargs):
    self.more = {name: spec[name] for name in FUNCTION_FIELDS if name in spec}
    original(account_id, spec, *args, **kwargs)


@around(LambdaFunction)
def get_configuration(original, self, *args, **kwargs):
    return {**original(*args, **kwargs), **self.more}


@around(LambdaFunction)
def update_configuration(original, self, config_updates):
    self.more |= {name: config_updates[name] for name in FUNCTION_FIELDS if name in config_updates}
    return original(config_updates)


# --- autoscaling targets: moto has no tags on them -----------------------------------------------------------


def _tags(response, arn):
    return store(response.applicationautoscaling_backend, "target_tags").setdefault(arn, {})


@around(ApplicationAutoScalingResponse)
def register_scalable_target(original, self):
    answer = original()
    _tags(self, json.loads(answer)["ScalableTargetARN"]).update(self._get_param("Tags") or {})
    return answer


@add(ApplicationAutoScalingResponse)
def list_tags_for_resource(self):
    return json.dumps({"Tags": _tags(self, self._get_param("ResourceARN"))})


@add(ApplicationAutoScalingResponse)
def tag_resource(self):
    _tags(self, self._get_param("ResourceARN")).update(self._get_param("Tags") or {})
    return json.dumps({})


@add(ApplicationAutoScalingResponse)
def untag_resource(self):
    for key in self._get_param("TagKeys") or []:
        _tags(self, self._get_param("ResourceARN")).pop(key, None)
    return json.dumps({})
