# Computed values must look like ARNs: the provider checks them.
mock_provider "aws" {
  override_during = plan

  mock_resource "aws_lb" {
    defaults = {
      arn        = "arn:aws:elasticloadbalancing:ap-southeast-2:123456789012:loadbalancer/app/bot/0123456789abcdef"
      arn_suffix = "app/bot/0123456789abcdef"
      dns_name   = "bot-1.ap-southeast-2.elb.amazonaws.com"
      zone_id    = "Z1GM3OXH4ZPM65"
    }
  }

  mock_resource "aws_lb_target_group" {
    defaults = { arn = "arn:aws:elasticloadbalancing:ap-southeast-2:123456789012:targetgroup/bot-api/0123456789abcdef" }
  }

  mock_resource "aws_lb_listener" {
    defaults = { arn = "arn:aws:elasticloadbalancing:ap-southeast-2:123456789012:listener/app/bot/0123456789abcdef/0123456789abcdef" }
  }

  mock_resource "aws_lb_trust_store" {
    defaults = { arn = "arn:aws:elasticloadbalancing:ap-southeast-2:123456789012:truststore/bot/0123456789abcdef" }
  }

  mock_resource "aws_acm_certificate" {
    defaults = {
      arn = "arn:aws:acm:ap-southeast-2:123456789012:certificate/0"
      domain_validation_options = [{
        domain_name           = "bot.example.com"
        resource_record_name  = "_token.bot.example.com."
        resource_record_type  = "CNAME"
        resource_record_value = "_proof.acm-validations.aws."
      }]
    }
  }

  mock_resource "aws_wafv2_web_acl" {
    defaults = { arn = "arn:aws:wafv2:ap-southeast-2:123456789012:regional/webacl/bot/0" }
  }

  mock_resource "aws_wafv2_ip_set" {
    defaults = { arn = "arn:aws:wafv2:ap-southeast-2:123456789012:regional/ipset/bot/0" }
  }

  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:ap-southeast-2:123456789012:log-group:aws-waf-logs-bot" }
  }
}

variables {
  name              = "tradingbot-prod"
  vpc_id            = "vpc-0"
  subnet_ids        = ["subnet-a", "subnet-b"]
  security_group_id = "sg-0"
  logs_bucket       = "tradingbot-prod-logs"
  domain            = { name = "bot.example.com", zone_id = "Z0" }
  webhook_sources   = ["52.89.214.238/32", "34.212.75.30/32", "54.218.53.128/32", "52.32.178.7/32"]
  kms_key_arn       = "arn:aws:kms:ap-southeast-2:123456789012:key/0"
}

run "full" {
  command = plan

  assert {
    condition     = aws_lb_listener.redirect[0].default_action[0].redirect[0].protocol == "HTTPS" && length(aws_lb_listener.plain) == 0
    error_message = "With a domain port 80 only redirects."
  }

  assert {
    condition     = aws_lb_listener.https[0].port == 443 && startswith(aws_lb_listener.https[0].ssl_policy, "ELBSecurityPolicy-TLS13-1-2")
    error_message = "TLS 1.3, with 1.2 for old clients, and nothing older."
  }

  assert {
    condition     = strcontains(aws_lb_listener.https[0].routing_http_response_strict_transport_security_header_value, "max-age=31536000")
    error_message = "Browsers are told to come back with HTTPS."
  }

  assert {
    condition     = aws_route53_record.validation["bot.example.com"].name == "_token.bot.example.com." && one(aws_route53_record.validation["bot.example.com"].records) == "_proof.acm-validations.aws."
    error_message = "The certificate is proven by the record it asks for."
  }

  assert {
    condition     = aws_route53_record.alias[0].name == "bot.example.com" && one(aws_route53_record.alias[0].alias).name == aws_lb.this.dns_name
    error_message = "The domain leads to the load balancer."
  }

  assert {
    condition     = output.url == "https://bot.example.com"
    error_message = "The URL is the domain's."
  }

  assert {
    condition     = aws_lb.this.internal == false && aws_lb.this.drop_invalid_header_fields && aws_lb.this.enable_deletion_protection && aws_lb.this.desync_mitigation_mode == "strictest"
    error_message = "Public, protected, strict about headers."
  }

  assert {
    condition     = one(aws_lb.this.access_logs).enabled && one(aws_lb.this.access_logs).prefix == "alb"
    error_message = "Requests are logged where the bucket's policy allows it."
  }

  assert {
    condition     = aws_lb.this.idle_timeout < 75
    error_message = "The load balancer hangs up before the application does (75 s)."
  }

  assert {
    condition     = aws_lb_target_group.api.port == 8001 && aws_lb_target_group.api.target_type == "ip"
    error_message = "Tasks listen on 8001."
  }

  assert {
    condition = (
      one(aws_lb_target_group.api.health_check).path == "/api/v1/health" && one(aws_lb_target_group.api.health_check).interval == 30 &&
      one(aws_lb_target_group.api.health_check).timeout == 5 && one(aws_lb_target_group.api.health_check).healthy_threshold == 2 &&
      one(aws_lb_target_group.api.health_check).unhealthy_threshold == 2
    )
    error_message = "Health: 30 s apart, 5 s to answer, 2 and 2."
  }

  assert {
    condition     = aws_lb_target_group.api.deregistration_delay == "30"
    error_message = "A stopping task has 25 s for what it has begun."
  }

  assert {
    condition     = one([for c in aws_lb_listener_rule.webhook["0"].condition : tolist(one(c.source_ip).values) if length(c.source_ip) > 0]) == sort(var.webhook_sources)
    error_message = "TradingView's four addresses pass."
  }

  assert {
    condition     = aws_lb_listener_rule.webhook["0"].priority < aws_lb_listener_rule.strangers.priority
    error_message = "Who may is asked before everybody is refused."
  }

  assert {
    condition     = one(one(aws_lb_listener_rule.strangers.action).fixed_response).status_code == "403" && contains([for c in aws_lb_listener_rule.strangers.condition : one(one(c.path_pattern).values) if length(c.path_pattern) > 0], "/api/v1/webhooks/*")
    error_message = "Everybody else is refused on the webhook's path."
  }

  assert {
    condition     = aws_lb_listener_rule.metrics.priority < aws_lb_listener_rule.webhook["0"].priority && one(one(aws_lb_listener_rule.metrics.action).fixed_response).status_code == "404"
    error_message = "Metrics are not shown outside."
  }

  assert {
    condition     = one([for rule in aws_wafv2_web_acl.this[0].rule : rule.name if rule.priority == 0]) == "alerts" && length(one([for rule in aws_wafv2_web_acl.this[0].rule : rule if rule.name == "alerts"]).action[0].allow) == 1
    error_message = "Alerts pass before any managed rule can dislike their text."
  }

  assert {
    condition     = toset([for rule in aws_wafv2_web_acl.this[0].rule : rule.name]) == toset(["alerts", "strangers", "metrics", "rate", "AWSManagedRulesCommonRuleSet", "AWSManagedRulesKnownBadInputsRuleSet"])
    error_message = "Common attacks, bad inputs, rate, and the decoded path."
  }

  assert {
    condition     = one([for rule in aws_wafv2_web_acl.this[0].rule : rule.statement[0].rate_based_statement[0].limit if rule.name == "rate"]) == 2000
    error_message = "2000 requests in 5 minutes from one address."
  }

  assert {
    condition     = startswith(aws_cloudwatch_log_group.waf[0].name, "aws-waf-logs-") && one(aws_wafv2_web_acl_logging_configuration.this[0].redacted_fields).single_header[0].name == "authorization"
    error_message = "The firewall's log is kept, without bearer tokens."
  }

  assert {
    condition     = aws_wafv2_web_acl_association.this[0].resource_arn == aws_lb.this.arn && aws_lb.this.enable_waf_fail_open
    error_message = "The firewall stands before the load balancer; when it does not answer, alerts still come in."
  }
}

run "more_senders_than_a_rule_takes" {
  command = plan

  variables {
    webhook_sources = ["52.89.214.238/32", "34.212.75.30/32", "54.218.53.128/32", "52.32.178.7/32", "203.0.113.7/32"]
  }

  assert {
    condition     = keys(aws_lb_listener_rule.webhook) == ["0", "1"] && aws_lb_listener_rule.webhook["1"].priority == 21
    error_message = "A rule takes the path and four networks: the fifth has a rule of its own."
  }

  assert {
    condition     = alltrue([for rule in aws_lb_listener_rule.webhook : sum([for c in rule.condition : sum(concat([0], [for p in c.path_pattern : length(p.values)], [for s in c.source_ip : length(s.values)]))]) <= 5])
    error_message = "AWS refuses rules with more than five values."
  }
}

run "without_domain_firewall_and_senders" {
  command = plan

  variables {
    domain          = null
    waf             = { enabled = false }
    webhook_sources = []
  }

  assert {
    condition     = length(aws_lb_listener_rule.webhook) == 0 && aws_lb_listener_rule.strangers.priority == 90
    error_message = "Without senders nobody reaches the webhook."
  }

  assert {
    condition     = aws_lb_listener.plain[0].port == 80 && length(aws_lb_listener.https) == 0 && length(aws_acm_certificate.this) == 0
    error_message = "Plain HTTP only."
  }

  assert {
    condition     = output.url == "http://bot-1.ap-southeast-2.elb.amazonaws.com"
    error_message = "The URL is the load balancer's own name."
  }

  assert {
    condition     = length(aws_wafv2_web_acl.this) + length(aws_cloudwatch_log_group.waf) + length(aws_wafv2_web_acl_association.this) == 0
    error_message = "Nothing of the firewall is left."
  }
}

run "client_certificates_are_shown" {
  command = plan

  variables {
    mutual_tls = { mode = "passthrough" }
  }

  assert {
    condition     = one(aws_lb_listener.https[0].mutual_authentication).mode == "passthrough" && length(aws_lb_trust_store.this) == 0
    error_message = "Passthrough needs no trust store."
  }
}

run "client_certificates_are_verified" {
  command = plan

  variables {
    mutual_tls = { mode = "verify", bundle_bucket = "trust", bundle_key = "tradingview.pem" }
  }

  assert {
    condition     = one(aws_lb_listener.https[0].mutual_authentication).trust_store_arn == aws_lb_trust_store.this[0].arn && aws_lb_trust_store.this[0].ca_certificates_bundle_s3_key == "tradingview.pem"
    error_message = "The trust store says who is believed."
  }
}

run "refuses" {
  command = plan

  variables {
    name              = "a-name-too-long-for-a-load-balancer"
    vpc_id            = "0123"
    subnet_ids        = ["subnet-a"]
    security_group_id = "default"
    logs_bucket       = ""
    webhook_sources   = ["tradingview.com"]
    waf               = { enabled = true, rate_limit = 10 }
    mutual_tls        = { mode = "on" }
    kms_key_arn       = "alias/aws/logs"
  }

  expect_failures = [
    var.name, var.vpc_id, var.subnet_ids, var.security_group_id, var.logs_bucket, var.webhook_sources, var.waf,
    var.mutual_tls, var.kms_key_arn,
  ]
}

run "refuses_everybody_as_sender_and_verify_without_bundle" {
  command = plan

  variables {
    webhook_sources = ["0.0.0.0/0"]
    mutual_tls      = { mode = "verify" }
  }

  expect_failures = [var.webhook_sources, var.mutual_tls]
}

run "refuses_client_certificates_without_https" {
  command = plan

  variables {
    domain     = null
    mutual_tls = { mode = "passthrough" }
  }

  expect_failures = [var.mutual_tls]
}

run "refuses_url_as_domain" {
  command = plan

  variables {
    domain = { name = "https://bot.example.com", zone_id = "Z0" }
  }

  expect_failures = [var.domain]
}
