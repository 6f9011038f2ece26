# The public door: TLS, who may knock at the webhook, and what is never shown outside.

locals {
  https        = var.domain != null
  listener_arn = one(concat(aws_lb_listener.https[*].arn, aws_lb_listener.plain[*].arn))
  webhook_path = "/api/v1/webhooks/*"

  # A rule takes five condition values: the path and four networks.
  webhook_source_groups = { for index, nets in chunklist(var.webhook_sources, 4) : index => nets }
}

resource "aws_lb" "this" {
  #checkov:skip=CKV2_AWS_76:The list of bad inputs (Log4j) is there; the one of anonymous addresses, which this wants too, would keep an operator on a VPN from the kill switch
  #checkov:skip=CKV2_AWS_20:With a domain port 80 only redirects; without one (dev only, the root refuses it elsewhere) there is no certificate to redirect to
  name               = var.name
  load_balancer_type = "application"
  internal           = false
  subnets            = var.subnet_ids
  security_groups    = [var.security_group_id]

  drop_invalid_header_fields = true
  desync_mitigation_mode     = "strictest"
  # Shorter than the application's keep-alive of 75 s, so that it is never the application that hangs up.
  idle_timeout               = 60
  enable_deletion_protection = var.deletion_protection
  # An alert that the firewall cannot judge still meets the application's own checks; a lost one is a lost trade.
  enable_waf_fail_open = true

  access_logs {
    bucket  = var.logs_bucket
    prefix  = "alb"
    enabled = true
  }
}

resource "aws_lb_target_group" "api" {
  #checkov:skip=CKV_AWS_378:TLS ends at the load balancer; its way to the tasks stays inside the VPC, between two security groups
  name        = "${var.name}-api"
  vpc_id      = var.vpc_id
  target_type = "ip"
  port        = 8001
  protocol    = "HTTP"
  # A stopping task needs up to 25 s for what it has begun.
  deregistration_delay          = 30
  load_balancing_algorithm_type = "least_outstanding_requests"

  health_check {
    path                = "/api/v1/health"
    matcher             = "200"
    interval            = 30
    timeout             = 5
    healthy_threshold   = 2
    unhealthy_threshold = 2
  }
}

resource "aws_lb_listener" "redirect" {
  count = local.https ? 1 : 0

  load_balancer_arn = aws_lb.this.arn
  port              = 80
  protocol          = "HTTP"

  default_action {
    type = "redirect"

    redirect {
      port        = "443"
      protocol    = "HTTPS"
      status_code = "HTTP_301"
    }
  }
}

resource "aws_lb_listener" "plain" {
  #checkov:skip=CKV_AWS_2:Only without a domain, which the root allows in dev alone
  #checkov:skip=CKV_AWS_103:Only without a domain, which the root allows in dev alone
  count = local.https ? 0 : 1

  load_balancer_arn                    = aws_lb.this.arn
  port                                 = 80
  protocol                             = "HTTP"
  routing_http_response_server_enabled = false

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.api.arn
  }
}

resource "aws_lb_listener" "https" {
  count = local.https ? 1 : 0

  load_balancer_arn = aws_lb.this.arn
  port              = 443
  protocol          = "HTTPS"
  ssl_policy        = "ELBSecurityPolicy-TLS13-1-2-2021-06"
  certificate_arn   = aws_acm_certificate_validation.this[0].certificate_arn

  routing_http_response_server_enabled                         = false
  routing_http_response_strict_transport_security_header_value = "max-age=31536000"
  routing_http_response_x_content_type_options_header_value    = "nosniff"
  routing_http_response_x_frame_options_header_value           = "DENY"

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.api.arn
  }

  dynamic "mutual_authentication" {
    for_each = var.mutual_tls[*]

    content {
      mode            = mutual_authentication.value.mode
      trust_store_arn = one(aws_lb_trust_store.this[*].arn)
    }
  }
}

resource "aws_lb_trust_store" "this" {
  count = try(var.mutual_tls.mode, "") == "verify" ? 1 : 0

  name                             = var.name
  ca_certificates_bundle_s3_bucket = var.mutual_tls.bundle_bucket
  ca_certificates_bundle_s3_key    = var.mutual_tls.bundle_key
}

resource "aws_lb_listener_rule" "metrics" {
  listener_arn = local.listener_arn
  priority     = 10

  action {
    type = "fixed-response"

    fixed_response {
      content_type = "text/plain"
      message_body = "not here"
      status_code  = "404"
    }
  }

  condition {
    path_pattern {
      values = ["/metrics", "/metrics/*", "*/metrics", "*/metrics/*"]
    }
  }
}

resource "aws_lb_listener_rule" "webhook" {
  for_each = local.webhook_source_groups

  listener_arn = local.listener_arn
  priority     = 20 + tonumber(each.key)

  action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.api.arn
  }

  condition {
    path_pattern {
      values = [local.webhook_path]
    }
  }

  condition {
    source_ip {
      values = each.value
    }
  }
}

resource "aws_lb_listener_rule" "strangers" {
  listener_arn = local.listener_arn
  priority     = 90

  action {
    type = "fixed-response"

    fixed_response {
      content_type = "text/plain"
      message_body = "this address may not send alerts"
      status_code  = "403"
    }
  }

  condition {
    path_pattern {
      values = [local.webhook_path]
    }
  }
}
