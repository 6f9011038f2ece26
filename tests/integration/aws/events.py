"""One HTTP request as the three front ends of Lambda hand it over, shaped like the examples in AWS's guides."""

import base64
from typing import Any

TRADINGVIEW = "52.89.214.238"
PATH = "/api/v1/webhooks/tradingview"


def _body(body: bytes | None, *, encoded: bool) -> dict[str, Any]:
    if body is None:
        return {"isBase64Encoded": False}
    return {"body": base64.b64encode(body).decode() if encoded else body.decode(), "isBase64Encoded": encoded}


def gateway(
    body: bytes | None,
    *,
    caller: str = TRADINGVIEW,
    method: str = "POST",
    path: str = PATH,
    headers: dict[str, str] | None = None,
    encoded: bool = False,
) -> dict[str, Any]:
    """API Gateway, HTTP API, payload 2.0."""
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {
            "accept": "*/*",
            "content-length": str(len(body or b"")),
            "content-type": "application/json; charset=utf-8",
            "host": "abcdefghij.execute-api.ap-southeast-2.amazonaws.com",
            "user-agent": "Go-http-client/1.1",
            "x-amzn-trace-id": "Root=1-5e6722a7-cc56xmpl46db7ae02d4da47e",
            "x-forwarded-for": caller,
            "x-forwarded-port": "443",
            "x-forwarded-proto": "https",
        }
        | (headers or {}),
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "abcdefghij",
            "domainName": "abcdefghij.execute-api.ap-southeast-2.amazonaws.com",
            "domainPrefix": "abcdefghij",
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": caller,
                "userAgent": "Go-http-client/1.1",
            },
            "requestId": "JKJaXmPLvHcESHA=",
            "routeKey": "$default",
            "stage": "$default",
            "time": "05/Jan/2026:12:00:00 +0000",
            "timeEpoch": 1767614400000,
        },
    } | _body(body, encoded=encoded)


def function_url(body: bytes | None, **how: Any) -> dict[str, Any]:
    """Payload 2.0 too. What it does to X-Forwarded-For: the first entry, which anybody may have sent, is left."""
    headers = {"host": "abcdefghijklmnopqrstuvwxyz012345.lambda-url.ap-southeast-2.on.aws"} | how.pop("headers", {})
    if "x-forwarded-for" in headers:
        headers["x-forwarded-for"] = headers["x-forwarded-for"].split(",")[0]
    event = gateway(body, headers=headers, **how)
    event["requestContext"] |= {"authentication": None, "domainName": headers["host"]}
    return event


def balancer(
    body: bytes | None,
    *,
    caller: str = TRADINGVIEW,
    method: str = "POST",
    path: str = PATH,
    headers: dict[str, str] | None = None,
    encoded: bool = False,
    many: bool = True,
) -> dict[str, Any]:
    """ALB; `many`: its target group has multi-value headers switched on."""
    sent = dict(headers or {})
    claimed = sent.pop("x-forwarded-for", "")
    values = {
        "accept": "*/*",
        "content-type": "application/json; charset=utf-8",
        "host": "alerts.example.org",
        "user-agent": "Go-http-client/1.1",
        "x-amzn-trace-id": "Root=1-5bdb40ca-556d8b0c50dc66f0511bf520",
        "x-forwarded-for": f"{claimed}, {caller}" if claimed else caller,
        "x-forwarded-port": "443",
        "x-forwarded-proto": "https",
    } | sent
    group = "arn:aws:elasticloadbalancing:ap-southeast-2:123456789012:targetgroup/intake/49e9d65c45c6791a"
    event: dict[str, Any] = {
        "requestContext": {"elb": {"targetGroupArn": group}},
        "httpMethod": method,
        "path": path,
    } | _body(body if body is not None else b"", encoded=encoded)
    if not many:
        return event | {"headers": values, "queryStringParameters": {}}
    listed = {name: [value] for name, value in values.items()}
    if claimed:
        listed["x-forwarded-for"] = [claimed, caller]
    return event | {"multiValueHeaders": listed, "multiValueQueryStringParameters": {}}
