mock_provider "aws" {
  override_during = plan
}

# Groups that tell each other apart, so that a rule between the wrong two shows.
override_resource {
  target          = aws_security_group.this["alb"]
  override_during = plan
  values          = { id = "sg-alb" }
}

override_resource {
  target          = aws_security_group.this["api"]
  override_during = plan
  values          = { id = "sg-api" }
}

override_resource {
  target          = aws_security_group.this["worker"]
  override_during = plan
  values          = { id = "sg-worker" }
}

override_resource {
  target          = aws_security_group.this["rds"]
  override_during = plan
  values          = { id = "sg-rds" }
}

override_resource {
  target          = aws_security_group.this["redis"]
  override_during = plan
  values          = { id = "sg-redis" }
}

override_resource {
  target          = aws_security_group.this["venue"]
  override_during = plan
  values          = { id = "sg-venue" }
}

override_resource {
  target          = aws_security_group.this["lambda"]
  override_during = plan
  values          = { id = "sg-lambda" }
}

override_resource {
  target          = aws_security_group.this["endpoints"]
  override_during = plan
  values          = { id = "sg-endpoints" }
}

variables {
  name   = "tradingbot-test"
  vpc_id = "vpc-0123456789abcdef0"
}

run "only_the_load_balancer_is_open" {
  command = plan

  assert {
    condition = toset([
      for rule in [aws_vpc_security_group_ingress_rule.http, aws_vpc_security_group_ingress_rule.https] :
      "${rule.cidr_ipv4} ${rule.security_group_id} ${rule.from_port}-${rule.to_port}"
    ]) == toset(["0.0.0.0/0 sg-alb 80-80", "0.0.0.0/0 sg-alb 443-443"])
    error_message = "The internet reaches something else than 80 and 443 of the load balancer."
  }

  assert {
    condition     = alltrue([for rule in aws_vpc_security_group_ingress_rule.connection : rule.cidr_ipv4 == null && rule.cidr_ipv6 == null && rule.prefix_list_id == null])
    error_message = "A rule between groups names addresses."
  }

  assert {
    condition     = alltrue([for rule in aws_vpc_security_group_ingress_rule.connection : rule.ip_protocol == "tcp" && rule.from_port == rule.to_port])
    error_message = "A rule opens more than one TCP port."
  }
}

run "who_may_reach_whom" {
  command = plan

  assert {
    condition = toset([
      for rule in aws_vpc_security_group_ingress_rule.connection : "${rule.referenced_security_group_id} -> ${rule.security_group_id}:${rule.from_port}"
      ]) == toset([
      "sg-alb -> sg-api:8001",
      "sg-api -> sg-rds:5432", "sg-worker -> sg-rds:5432",
      "sg-api -> sg-redis:6379", "sg-worker -> sg-redis:6379",
      "sg-api -> sg-venue:8002", "sg-worker -> sg-venue:8002",
      "sg-api -> sg-endpoints:443", "sg-worker -> sg-endpoints:443", "sg-venue -> sg-endpoints:443", "sg-lambda -> sg-endpoints:443",
    ])
    error_message = "The ways in are not those of the design."
  }

  assert {
    condition = toset([
      for rule in aws_vpc_security_group_egress_rule.connection : "${rule.security_group_id} -> ${rule.referenced_security_group_id}:${rule.to_port}"
      ]) == toset([
      for rule in aws_vpc_security_group_ingress_rule.connection : "${rule.referenced_security_group_id} -> ${rule.security_group_id}:${rule.to_port}"
    ])
    error_message = "A way in has no way out at the other end, or the reverse."
  }

  assert {
    condition     = toset([for rule in aws_vpc_security_group_egress_rule.internet : rule.security_group_id]) == toset(["sg-api", "sg-worker", "sg-venue", "sg-lambda"])
    error_message = "Database, cache, load balancer or endpoints have a way to the internet."
  }

  assert {
    condition     = toset([for rule in aws_vpc_security_group_egress_rule.internet : rule.to_port]) == toset([443, 8443]) && alltrue([for rule in aws_vpc_security_group_egress_rule.internet : rule.from_port == rule.to_port])
    error_message = "Tasks reach other ports of the internet than HTTPS and the OKX stream."
  }

  assert {
    condition     = [output.alb_id, output.api_id, output.worker_id, output.rds_id, output.redis_id, output.venue_id, output.lambda_id, output.endpoints_id] == ["sg-alb", "sg-api", "sg-worker", "sg-rds", "sg-redis", "sg-venue", "sg-lambda", "sg-endpoints"]
    error_message = "An output names the wrong group."
  }
}

run "ports_follow_the_settings" {
  command = plan

  variables {
    app_port           = 9001
    venue_port         = 9002
    outbound_tcp_ports = [443]
  }

  assert {
    condition     = aws_vpc_security_group_ingress_rule.connection["alb-api"].from_port == 9001 && aws_vpc_security_group_ingress_rule.connection["worker-venue"].from_port == 9002
    error_message = "The ports of the tasks are not those set."
  }

  assert {
    condition     = length(aws_vpc_security_group_egress_rule.internet) == 4
    error_message = "One outbound port is one rule for each of the four groups."
  }
}

run "refuses_a_bad_name" {
  command = plan

  variables {
    name = "x"
  }

  expect_failures = [var.name]
}

run "refuses_a_port_of_root" {
  command = plan

  variables {
    app_port = 80
  }

  expect_failures = [var.app_port]
}

run "refuses_one_port_for_both" {
  command = plan

  variables {
    venue_port = 8001
  }

  expect_failures = [var.venue_port]
}

run "refuses_mail_and_a_missing_https" {
  command = plan

  variables {
    outbound_tcp_ports = [25]
  }

  expect_failures = [var.outbound_tcp_ports]
}
