# Who may talk to whom, as data. Groups refer to groups, never to address ranges; the only ways in from the
# internet are ports 80 and 443 of the load balancer.

locals {
  groups = {
    alb       = "Load balancer: HTTP and HTTPS from the internet, onward to the api alone"
    api       = "API tasks: from the load balancer alone"
    worker    = "Worker, migration and backup tasks: nothing may connect to them"
    venue     = "Paper exchange: from api and worker alone"
    lambda    = "Intake function: nothing may connect to it"
    endpoints = "Interface endpoints of AWS services: HTTPS from the tasks"
    rds       = "PostgreSQL: from api and worker"
    redis     = "Redis: from api and worker"
  }

  # from -> to: every connection between two groups, each as an egress rule here and an ingress rule there.
  connections = {
    "alb-api"          = { from = "alb", to = "api", port = var.app_port }
    "api-rds"          = { from = "api", to = "rds", port = 5432 }
    "api-redis"        = { from = "api", to = "redis", port = 6379 }
    "api-venue"        = { from = "api", to = "venue", port = var.venue_port }
    "worker-rds"       = { from = "worker", to = "rds", port = 5432 }
    "worker-redis"     = { from = "worker", to = "redis", port = 6379 }
    "worker-venue"     = { from = "worker", to = "venue", port = var.venue_port }
    "api-endpoints"    = { from = "api", to = "endpoints", port = 443 }
    "worker-endpoints" = { from = "worker", to = "endpoints", port = 443 }
    "venue-endpoints"  = { from = "venue", to = "endpoints", port = 443 }
    "lambda-endpoints" = { from = "lambda", to = "endpoints", port = 443 }
  }

  outbound = {
    for pair in setproduct(["api", "worker", "venue", "lambda"], var.outbound_tcp_ports) :
    "${pair[0]}-${pair[1]}" => { from = pair[0], port = pair[1] }
  }
}

resource "aws_security_group" "this" {
  #checkov:skip=CKV2_AWS_5:The groups are attached by the other modules through this module's outputs.
  for_each = local.groups

  name        = "${var.name}-${each.key}"
  description = each.value
  vpc_id      = var.vpc_id

  tags = { Name = "${var.name}-${each.key}" }
}

resource "aws_vpc_security_group_ingress_rule" "connection" {
  for_each = local.connections

  security_group_id            = aws_security_group.this[each.value.to].id
  referenced_security_group_id = aws_security_group.this[each.value.from].id
  ip_protocol                  = "tcp"
  from_port                    = each.value.port
  to_port                      = each.value.port
  description                  = "From ${each.value.from}"
}

resource "aws_vpc_security_group_egress_rule" "connection" {
  for_each = local.connections

  security_group_id            = aws_security_group.this[each.value.from].id
  referenced_security_group_id = aws_security_group.this[each.value.to].id
  ip_protocol                  = "tcp"
  from_port                    = each.value.port
  to_port                      = each.value.port
  description                  = "To ${each.value.to}"
}

resource "aws_vpc_security_group_ingress_rule" "https" {
  security_group_id = aws_security_group.this["alb"].id
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  description       = "HTTPS from the internet"
}

resource "aws_vpc_security_group_ingress_rule" "http" {
  #checkov:skip=CKV_AWS_260:Port 80 redirects to HTTPS; only dev without a domain is served there.
  security_group_id = aws_security_group.this["alb"].id
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 80
  to_port           = 80
  description       = "HTTP from the internet"
}

# Exchanges and AI providers publish no stable addresses, so the way out is limited by port.
resource "aws_vpc_security_group_egress_rule" "internet" {
  for_each = local.outbound

  security_group_id = aws_security_group.this[each.value.from].id
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = each.value.port
  to_port           = each.value.port
  description       = "To the internet"
}
