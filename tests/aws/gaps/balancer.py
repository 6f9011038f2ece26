"""Listeners: client certificates."""

from moto.elbv2.responses import ELBV2Response

from tests.aws.gaps.patching import around


@around(ELBV2Response)
def create_listener(original, self):
    """moto drops the mode of mutual TLS; the provider would set it again in every plan."""
    answer = original()
    answer.result["Listeners"][0].mutual_authentication = self._get_param("MutualAuthentication") or {"Mode": "off"}
    return answer


@around(ELBV2Response)
def modify_listener(original, self):
    answer = original()
    if mode := self._get_param("MutualAuthentication"):
        answer.result["Listeners"][0].mutual_authentication = mode
    return answer
