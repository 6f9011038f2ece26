# The stack as a whole: what follows from the environment, and what is refused before anything is made.
mock_provider "aws" {
  override_during = plan

  mock_data "aws_availability_zones" {
    defaults = { names = ["ap-southeast-2a", "ap-southeast-2b", "ap-southeast-2c"] }
  }

  mock_data "aws_region" {
    defaults = { name = "ap-southeast-2" }
  }

  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012", arn = "arn:aws:iam::123456789012:user/operator" }
  }

  mock_data "aws_partition" {
    defaults = { partition = "aws", dns_suffix = "amazonaws.com" }
  }

  mock_data "aws_iam_policy_document" {
    defaults = { json = "{\"Version\":\"2012-10-17\",\"Statement\":[]}" }
  }

  mock_data "aws_ssm_parameters_by_path" {
    defaults = { names = [], values = [] }
  }

  mock_resource "aws_kms_key" {
    defaults = { arn = "arn:aws:kms:ap-southeast-2:123456789012:key/0" }
  }

  mock_resource "aws_secretsmanager_secret" {
    defaults = {
      id  = "arn:aws:secretsmanager:ap-southeast-2:123456789012:secret:some"
      arn = "arn:aws:secretsmanager:ap-southeast-2:123456789012:secret:some"
    }
  }

  mock_resource "aws_s3_bucket" {
    defaults = { id = "tradingbot-bucket", arn = "arn:aws:s3:::tradingbot-bucket" }
  }

  mock_resource "aws_sqs_queue" {
    defaults = {
      arn = "arn:aws:sqs:ap-southeast-2:123456789012:tradingbot-spill.fifo"
      url = "https://sqs.ap-southeast-2.amazonaws.com/123456789012/tradingbot-spill.fifo"
    }
  }

  mock_resource "aws_vpc" {
    defaults = { id = "vpc-0" }
  }

  mock_resource "aws_subnet" {
    defaults = { id = "subnet-0" }
  }

  mock_resource "aws_security_group" {
    defaults = { id = "sg-0" }
  }

  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/some" }
  }

  mock_resource "aws_db_instance" {
    defaults = {
      address            = "db.internal"
      port               = 5432
      master_user_secret = [{ secret_arn = "arn:aws:secretsmanager:ap-southeast-2:123456789012:secret:rds!db-0", kms_key_id = "k", secret_status = "active" }]
    }
  }

  mock_resource "aws_elasticache_replication_group" {
    defaults = {
      id                       = "tradingbot-cache"
      arn                      = "arn:aws:elasticache:ap-southeast-2:123456789012:replicationgroup:bot"
      primary_endpoint_address = "cache.internal"
    }
  }

  mock_resource "aws_elasticache_user" {
    defaults = { arn = "arn:aws:elasticache:ap-southeast-2:123456789012:user:bot" }
  }

  mock_resource "aws_ecr_repository" {
    defaults = {
      arn            = "arn:aws:ecr:ap-southeast-2:123456789012:repository/tradingbot"
      repository_url = "123456789012.dkr.ecr.ap-southeast-2.amazonaws.com/tradingbot"
    }
  }

  mock_resource "aws_lb" {
    defaults = {
      arn        = "arn:aws:elasticloadbalancing:ap-southeast-2:123456789012:loadbalancer/app/bot/0123456789abcdef"
      arn_suffix = "app/bot/0123456789abcdef"
      dns_name   = "bot-1.ap-southeast-2.elb.amazonaws.com"
    }
  }

  mock_resource "aws_lb_target_group" {
    defaults = { arn = "arn:aws:elasticloadbalancing:ap-southeast-2:123456789012:targetgroup/api/0123456789abcdef" }
  }

  mock_resource "aws_lb_listener" {
    defaults = { arn = "arn:aws:elasticloadbalancing:ap-southeast-2:123456789012:listener/app/bot/0123456789abcdef/0123456789abcdef" }
  }

  mock_resource "aws_acm_certificate" {
    defaults = {
      arn                       = "arn:aws:acm:ap-southeast-2:123456789012:certificate/0"
      domain_validation_options = [{ domain_name = "bot.example.com", resource_record_name = "_t.bot.example.com.", resource_record_type = "CNAME", resource_record_value = "_p.acm-validations.aws." }]
    }
  }

  mock_resource "aws_wafv2_web_acl" {
    defaults = { arn = "arn:aws:wafv2:ap-southeast-2:123456789012:regional/webacl/bot/0" }
  }

  mock_resource "aws_wafv2_ip_set" {
    defaults = { arn = "arn:aws:wafv2:ap-southeast-2:123456789012:regional/ipset/bot/0" }
  }

  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:ap-southeast-2:123456789012:log-group:some" }
  }

  mock_resource "aws_ecs_cluster" {
    defaults = {
      id  = "arn:aws:ecs:ap-southeast-2:123456789012:cluster/bot"
      arn = "arn:aws:ecs:ap-southeast-2:123456789012:cluster/bot"
    }
  }

  mock_resource "aws_ecs_task_definition" {
    defaults = {
      arn                  = "arn:aws:ecs:ap-southeast-2:123456789012:task-definition/family:7"
      arn_without_revision = "arn:aws:ecs:ap-southeast-2:123456789012:task-definition/family"
    }
  }

  mock_resource "aws_ecs_service" {
    defaults = { id = "arn:aws:ecs:ap-southeast-2:123456789012:service/bot/service" }
  }

  mock_resource "aws_service_discovery_service" {
    defaults = { arn = "arn:aws:servicediscovery:ap-southeast-2:123456789012:service/srv-0" }
  }

  mock_resource "aws_sns_topic" {
    defaults = { arn = "arn:aws:sns:ap-southeast-2:123456789012:alarms" }
  }

  mock_resource "aws_cloudwatch_event_rule" {
    defaults = { arn = "arn:aws:events:ap-southeast-2:123456789012:rule/some" }
  }

  mock_resource "aws_cloudwatch_metric_alarm" {
    defaults = { arn = "arn:aws:cloudwatch:ap-southeast-2:123456789012:alarm:some" }
  }

  mock_resource "aws_cloudwatch_composite_alarm" {
    defaults = { arn = "arn:aws:cloudwatch:ap-southeast-2:123456789012:alarm:critical" }
  }

  mock_resource "aws_iam_openid_connect_provider" {
    defaults = { arn = "arn:aws:iam::123456789012:oidc-provider/github" }
  }

  mock_resource "aws_ssm_parameter" {
    defaults = { arn = "arn:aws:ssm:ap-southeast-2:123456789012:parameter/tradingbot/some/image" }
  }

  mock_resource "aws_lambda_function" {
    defaults = {
      arn        = "arn:aws:lambda:ap-southeast-2:123456789012:function:intake"
      invoke_arn = "arn:aws:apigateway:ap-southeast-2:lambda:path/2015-03-31/functions/arn:aws:lambda:ap-southeast-2:123456789012:function:intake/invocations"
    }
  }

  mock_resource "aws_apigatewayv2_api" {
    defaults = {
      api_endpoint  = "https://api0.execute-api.ap-southeast-2.amazonaws.com"
      execution_arn = "arn:aws:execute-api:ap-southeast-2:123456789012:api0"
    }
  }
}

variables {
  image          = "123456789012.dkr.ecr.ap-southeast-2.amazonaws.com/tradingbot@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
  secret_key     = "0123456789abcdef0123456789abcdef-secret-key"
  webhook_secret = "0123456789abcdef0123456789abcdef-webhook-secret"
  api_token      = "0123456789abcdef0123456789abcdef-api-token"
  encryption_key = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
}

run "dev_is_cheap_and_plain" {
  command = plan

  variables {
    environment     = "dev"
    webhook_sources = ["52.89.214.238/32", "203.0.113.7/32"]
    settings        = { RISK_PER_TRADE = "0.005", SECRETS_REFRESH_S = "300" }
  }

  assert {
    condition     = length(output.nat_public_ips) == 1 && length(module.elasticache.cache_cluster_ids) == 1
    error_message = "One NAT, one node of Redis."
  }

  assert {
    condition     = output.url == "http://bot-1.ap-southeast-2.elb.amazonaws.com" && output.webhook_url == "${output.url}/api/v1/webhooks/tradingview"
    error_message = "Without a domain the load balancer's own name."
  }

  assert {
    condition     = toset(keys(module.ecs.service_names)) == toset(["api", "worker", "venue"])
    error_message = "In paper mode the paper exchange runs too."
  }

  assert {
    condition     = local.task_settings["TRADING_MODE"] == "paper" && local.task_settings["RISK_PER_TRADE"] == "0.005" && local.task_settings["ALLOWED_SENDERS"] == "52.89.214.238/32,203.0.113.7/32" && local.task_settings["TRUSTED_PROXIES"] == "1"
    error_message = "The bot is told what the load balancer is told."
  }

  assert {
    condition     = local.task_settings["DATABASE_URL"] == "postgresql://tradingbot@db.internal:5432/tradingbot?sslmode=require" && local.task_settings["REDIS_URL"] == "rediss://cache.internal:6379/0"
    error_message = "Database and cache are encrypted on the way, and no password is in an address."
  }

  assert {
    condition     = local.task_secrets["DATABASE_PASSWORD"] == { arn = "arn:aws:secretsmanager:ap-southeast-2:123456789012:secret:rds!db-0", key = "password" } && length(setsubtract(local.secret_names, keys(local.task_secrets))) == 0
    error_message = "Every secret is injected, the database's from the one RDS rotates."
  }

  assert {
    condition     = output.image_parameter == "/tradingbot/dev/image" && aws_ssm_parameter.image.insecure_value == var.image
    error_message = "The image in force is remembered."
  }

  assert {
    condition     = startswith(output.migrate_command, "aws ecs run-task --region ap-southeast-2 --cluster tradingbot-dev ") && endswith(output.migrate_command, " --task-definition tradingbot-dev-migrate") && strcontains(output.migrate_command, "assignPublicIp=DISABLED")
    error_message = "The migration can be pasted."
  }

  assert {
    condition     = strcontains(output.command_line, "--task-definition tradingbot-dev-backup --group operator") && strcontains(output.command_line, "--log-group-name /tradingbot/dev/tasks") && !strcontains(output.command_line, "$$")
    error_message = "A command of the bot can be run."
  }

  assert {
    condition     = length(module.ci) == 0 && length(module.intake_lambda) == 0 && output.deploy_role_arn == null
    error_message = "Nothing that was not asked for."
  }
}

run "prod_guards_what_it_has" {
  command = plan

  variables {
    environment    = "prod"
    trading_mode   = "live"
    domain_name    = "bot.example.com"
    hosted_zone_id = "Z0"
    alarm_email    = "ops@example.com"
    features       = { budget_usd = 600, github_repository = "you/tradingbot" }
  }

  assert {
    condition     = local.waf && local.multi_az && local.nat_per_az && local.deletion_protection && !local.discard_data && local.cache_replicas == 1
    error_message = "Firewall, standby, a NAT in each zone, no deletion, data outlives it, a replica."
  }

  assert {
    condition     = output.webhook_url == "https://bot.example.com/api/v1/webhooks/tradingview" && length(output.nat_public_ips) == 2
    error_message = "HTTPS under the domain, two addresses to bind keys to."
  }

  assert {
    condition     = toset(keys(module.ecs.service_names)) == toset(["api", "worker"]) && !contains(keys(local.task_settings), "BINANCE_BASE_URL")
    error_message = "Live, no paper exchange is anywhere near."
  }

  assert {
    condition     = output.deploy_role_arn == "arn:aws:iam::123456789012:role/some" && length(module.ci) == 1
    error_message = "GitHub's jobs have a role."
  }
}

run "image_that_the_deploy_command_left" {
  command = plan

  variables {
    environment = "dev"
    image       = null
    intake      = "lambda"
  }

  override_data {
    target = data.aws_ssm_parameters_by_path.images
    values = {
      names = ["/tradingbot/dev/image", "/tradingbot/dev/lambda-image"]
      values = [
        "r@sha256:1111111111111111111111111111111111111111111111111111111111111111",
        "r@sha256:2222222222222222222222222222222222222222222222222222222222222222",
      ]
    }
  }

  assert {
    condition     = local.image == "r@sha256:1111111111111111111111111111111111111111111111111111111111111111" && aws_ssm_parameter.image.insecure_value == local.image
    error_message = "Who names no image keeps the one in force."
  }

  assert {
    condition     = output.webhook_url == "https://api0.execute-api.ap-southeast-2.amazonaws.com/api/v1/webhooks/tradingview" && aws_ssm_parameter.lambda_image[0].insecure_value == "r@sha256:2222222222222222222222222222222222222222222222222222222222222222"
    error_message = "Alerts come in at the function, which has an image of its own."
  }

  assert {
    condition     = output.url == "http://bot-1.ap-southeast-2.elb.amazonaws.com"
    error_message = "The load balancer still serves the API."
  }
}

run "refuses" {
  command = plan

  variables {
    environment     = "dev"
    project         = "Trading_Bot"
    region          = "sydney"
    trading_mode    = "demo"
    hosted_zone_id  = "Z0"
    webhook_sources = ["tradingview.com"]
    image           = "tradingbot:latest"
    lambda_image    = "tradingbot:lambda"
    intake          = "api"
    settings        = { risk_per_trade = "1" }
    secret_key      = "short"
    webhook_secret  = "short"
    encryption_key  = "not hexadecimal"
    api_token       = "short"
  }

  expect_failures = [
    var.project, var.region, var.trading_mode, var.hosted_zone_id, var.webhook_sources, var.image, var.lambda_image, var.intake,
    var.settings, var.secret_key, var.webhook_secret, var.encryption_key, var.api_token,
  ]
}

run "refuses_a_prod_that_is_open_deaf_and_thin" {
  command = plan

  variables {
    environment = "prod"
    sizes       = { api_min = 1 }
    settings    = { API_TOKEN = "would lie in the state" }
    features    = { exec = true }
  }

  expect_failures = [var.domain_name, var.alarm_email, var.sizes, var.settings, var.features]
}

run "refuses_a_prod_without_standby" {
  command = plan

  variables {
    environment    = "prod"
    domain_name    = "bot.example.com"
    hosted_zone_id = "Z0"
    alarm_email    = "ops@example.com"
    features       = { multi_az = false }
  }

  expect_failures = [var.features]
}

run "refuses_to_discard_real_money" {
  command = plan

  variables {
    environment    = "prod"
    trading_mode   = "live"
    domain_name    = "bot.example.com"
    hosted_zone_id = "Z0"
    alarm_email    = "ops@example.com"
    features       = { deletion_protection = false, discard_data = true }
  }

  expect_failures = [var.features]
}

run "unlocked_keeps_its_data" {
  command = plan

  variables {
    environment    = "prod"
    trading_mode   = "live"
    domain_name    = "bot.example.com"
    hosted_zone_id = "Z0"
    alarm_email    = "ops@example.com"
    features       = { deletion_protection = false }
  }

  assert {
    condition     = !local.deletion_protection && !local.discard_data
    error_message = "Who lifts the lock gives up the backups too."
  }
}

run "staging_keeps_its_data" {
  command = plan

  variables {
    environment    = "staging"
    domain_name    = "bot.example.com"
    hosted_zone_id = "Z0"
  }

  assert {
    condition     = !local.deletion_protection && !local.discard_data
    error_message = "staging can be deleted by mistake, with its backups."
  }
}

run "refuses_real_money_outside_prod_and_settings_of_the_stack" {
  command = plan

  variables {
    environment    = "staging"
    domain_name    = "bot.example.com"
    hosted_zone_id = "Z0"
    trading_mode   = "live"
    settings       = { PORT = "80" }
  }

  expect_failures = [var.trading_mode, var.settings]
}

run "refuses_unknown_environment" {
  command = plan

  variables {
    environment = "qa"
  }

  expect_failures = [var.environment]
}

run "a_stack_in_its_state" {
  command = apply

  plan_options {
    target = [terraform_data.stack]
  }

  variables {
    environment = "dev"

    # An apply in a test wants every ephemeral variable.
    binance_api_key            = ""
    binance_api_secret         = ""
    okx_api_key                = ""
    okx_api_secret             = ""
    okx_passphrase             = ""
    openai_api_key             = ""
    anthropic_api_key          = ""
    telegram_bot_token         = ""
    sentry_dsn                 = ""
    otel_exporter_otlp_headers = ""
    strategies                 = ""
  }

  assert {
    condition     = terraform_data.stack.output == "tradingbot-dev in ap-southeast-2"
    error_message = "The state does not say which stack it describes."
  }
}

run "refuses_the_state_of_another_stack" {
  command = plan

  variables {
    environment    = "staging"
    domain_name    = "bot.example.com"
    hosted_zone_id = "Z0"
  }

  expect_failures = [terraform_data.stack]
}
