"""EC2: what the provider reads back of security group rules and flow logs."""

from moto.ec2.models.flow_logs import FlowLogsBackend
from moto.ec2.models.security_groups import SecurityGroupRule
from moto.ec2.responses.flow_logs import FlowLogs

from tests.aws.gaps.patching import around


def _description(rule):
    return rule.ip_range.get("Description") or (rule.source_group or {}).get("Description")


# moto forgets the description of a rule whose other end is a security group: every second plan would write it again.
SecurityGroupRule.description = property(_description)


@around(FlowLogsBackend, "create_flow_logs")
def into_a_folder(original, self, *, log_destination, **kwargs):
    """moto takes a folder of a bucket for a bucket, and finds none of that name."""
    bucket = log_destination.partition("/")[0] if log_destination else log_destination
    made, failed = original(log_destination=bucket, **kwargs)
    for flow_log in made:
        flow_log.log_destination = log_destination
    return made, failed


@around(FlowLogs)
def create_flow_logs(original, self):
    """moto drops the destination options; without them the next plan replaces the flow log."""
    flow_logs = self.ec2_backend.flow_logs
    before = set(flow_logs)
    answer = original()
    options = self._get_param("DestinationOptions")
    for key in set(flow_logs) - before if options else ():
        flow_logs[key].destination_options = {
            "FileFormat": options.get("FileFormat", "plain-text"),
            "HiveCompatiblePartitions": _true(options.get("HiveCompatiblePartitions")),
            "PerHourPartition": _true(options.get("PerHourPartition")),
        }
    return answer


def _true(value):
    return str(value).lower() == "true"
