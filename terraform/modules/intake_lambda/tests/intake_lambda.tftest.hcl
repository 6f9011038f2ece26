mock_provider "aws" {
  override_during = plan

  mock_data "aws_region" {
    defaults = { name = "ap-southeast-2" }
  }

  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }

  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }

  mock_resource "aws_lambda_function" {
    defaults = {
      arn        = "arn:aws:lambda:ap-southeast-2:123456789012:function:tradingbot-prod-intake"
      invoke_arn = "arn:aws:apigateway:ap-southeast-2:lambda:path/2015-03-31/functions/arn:aws:lambda:ap-southeast-2:123456789012:function:tradingbot-prod-intake/invocations"
    }
  }

  mock_resource "aws_sqs_queue" {
    defaults = { arn = "arn:aws:sqs:ap-southeast-2:123456789012:tradingbot-prod-intake-failed" }
  }

  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/tradingbot-prod-intake" }
  }

  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:ap-southeast-2:123456789012:log-group:some" }
  }

  mock_resource "aws_apigatewayv2_api" {
    defaults = {
      id            = "api0"
      api_endpoint  = "https://api0.execute-api.ap-southeast-2.amazonaws.com"
      execution_arn = "arn:aws:execute-api:ap-southeast-2:123456789012:api0"
    }
  }

  mock_resource "aws_apigatewayv2_integration" {
    defaults = { id = "int0" }
  }
}

variables {
  name                  = "tradingbot-prod"
  image                 = "123456789012.dkr.ecr.ap-southeast-2.amazonaws.com/tradingbot-prod@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
  network               = { subnet_ids = ["subnet-a", "subnet-b"], security_group_id = "sg-lambda" }
  environment           = { TRADING_MODE = "live", ALLOWED_SENDERS = "52.89.214.238/32" }
  secret_arns           = { WEBHOOK_SECRET = "arn:aws:secretsmanager:ap-southeast-2:123456789012:secret:tradingbot/prod/WEBHOOK_SECRET-a" }
  strategies_secret_arn = "arn:aws:secretsmanager:ap-southeast-2:123456789012:secret:tradingbot/prod/STRATEGIES-c"
  spill_queue_arn       = "arn:aws:sqs:ap-southeast-2:123456789012:tradingbot-prod-spill.fifo"
  kms_key_arn           = "arn:aws:kms:ap-southeast-2:123456789012:key/0"
  alarm_topic_arn       = "arn:aws:sns:ap-southeast-2:123456789012:alarms"
}

run "intake" {
  command = plan

  assert {
    condition     = aws_lambda_function.this.package_type == "Image" && aws_lambda_function.this.image_uri == var.image && one(aws_lambda_function.this.image_config).command == tolist(["app.lambda_handler.handler"])
    error_message = "The image by digest, with the handler."
  }

  assert {
    condition     = aws_lambda_function.this.reserved_concurrent_executions == -1 && aws_lambda_function.this.kms_key_arn == var.kms_key_arn && aws_lambda_function.this.timeout == 10
    error_message = "Nothing reserved that a new account does not have, and its settings encrypted with our key."
  }

  assert {
    condition     = one(aws_lambda_function.this.environment).variables["SECRETS_FROM_AWS"] == "WEBHOOK_SECRET=${var.secret_arns["WEBHOOK_SECRET"]}" && one(aws_lambda_function.this.environment).variables["STRATEGIES_FILE"] == "/tmp/strategies.yaml"
    error_message = "Secrets are named, not written, and the registry lies where a function may write."
  }

  assert {
    condition     = one(aws_lambda_function.this.dead_letter_config).target_arn == aws_sqs_queue.failed.arn && aws_sqs_queue.failed.kms_master_key_id == var.kms_key_arn
    error_message = "What fails without a waiting caller is kept, encrypted."
  }

  assert {
    condition     = toset(keys(aws_apigatewayv2_route.this)) == toset(["POST /api/v1/webhooks/tradingview", "GET /api/v1/health"])
    error_message = "The webhook and its health, nothing else."
  }

  assert {
    condition     = aws_apigatewayv2_integration.this.payload_format_version == "2.0" && aws_apigatewayv2_integration.this.integration_uri == aws_lambda_function.this.invoke_arn
    error_message = "The sender's address comes in requestContext.http.sourceIp."
  }

  assert {
    condition     = one(aws_apigatewayv2_stage.this.default_route_settings).throttling_rate_limit == 200 && one(aws_apigatewayv2_stage.this.default_route_settings).throttling_burst_limit == 400 && strcontains(one(aws_apigatewayv2_stage.this.access_log_settings).format, "$context.identity.sourceIp")
    error_message = "The rate is limited and senders are logged."
  }

  assert {
    condition     = aws_lambda_permission.this.principal == "apigateway.amazonaws.com" && startswith(aws_lambda_permission.this.source_arn, aws_apigatewayv2_api.this.execution_arn)
    error_message = "Only this API invokes the function."
  }

  assert {
    condition     = one([for s in jsondecode(aws_iam_role_policy.this.policy).Statement : s.Resource if s.Sid == "ReadSecrets"]) == [var.secret_arns["WEBHOOK_SECRET"], var.strategies_secret_arn]
    error_message = "It reads the secrets of the intake, no key of an exchange."
  }

  assert {
    condition     = !strcontains(aws_iam_role_policy.this.policy, "sqs:ReceiveMessage") && !strcontains(aws_iam_role_policy.this.policy, "sqs:DeleteMessage")
    error_message = "It writes alerts and takes none out."
  }

  assert {
    condition     = one(aws_lambda_function.this.vpc_config).security_group_ids == toset(["sg-lambda"]) && alltrue([for group in [aws_cloudwatch_log_group.function, aws_cloudwatch_log_group.access] : group.kms_key_id == var.kms_key_arn])
    error_message = "Inside the network, with encrypted logs."
  }

  assert {
    condition     = aws_cloudwatch_log_metric_filter.lost.pattern == "{ $.status = \"429\" || $.status = \"504\" }" && aws_cloudwatch_log_metric_filter.lost.log_group_name == aws_cloudwatch_log_group.access.name && aws_cloudwatch_metric_alarm.lost.metric_name == "tradingbot-prod-lost" && aws_cloudwatch_metric_alarm.lost.threshold == 0 && aws_cloudwatch_metric_alarm.lost.alarm_actions == toset([var.alarm_topic_arn])
    error_message = "What TradingView does not send again is told."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.errors.threshold == 0 && aws_cloudwatch_metric_alarm.errors.dimensions["ApiId"] == "api0" && aws_cloudwatch_metric_alarm.errors.alarm_actions == toset([var.alarm_topic_arn])
    error_message = "Failing requests are told."
  }

  assert {
    condition     = output.api_endpoint == "https://api0.execute-api.ap-southeast-2.amazonaws.com"
    error_message = "Where TradingView sends to."
  }
}

run "refuses" {
  command = plan

  variables {
    name                  = "A"
    image                 = "tradingbot:lambda"
    network               = { subnet_ids = [], security_group_id = "sg" }
    environment           = { STRATEGIES_FILE = "strategies.yaml" }
    secret_arns           = { WEBHOOK_SECRET = "the secret itself" }
    strategies_secret_arn = "strategies.yaml"
    spill_queue_arn       = "arn:aws:sqs:ap-southeast-2:123456789012:standard"
    kms_key_arn           = "alias/aws/lambda"
    alarm_topic_arn       = "ops@example.com"
    options               = { memory_mb = 128 }
  }

  expect_failures = [
    var.name, var.image, var.network, var.environment, var.secret_arns, var.strategies_secret_arn, var.spill_queue_arn,
    var.kms_key_arn, var.options, var.alarm_topic_arn,
  ]
}

run "reserves" {
  command = plan

  variables {
    options = { concurrency = 20, rate = 50, burst = 60 }
  }

  assert {
    condition     = aws_lambda_function.this.reserved_concurrent_executions == 20 && one(aws_apigatewayv2_stage.this.default_route_settings).throttling_burst_limit == 60
    error_message = "Limits can be set."
  }
}

run "refuses_a_secret_in_plain" {
  command = plan

  variables {
    environment = { TRADING_MODE = "live", WEBHOOK_SECRET = "plain" }
  }

  expect_failures = [var.environment]
}

run "refuses_burst_below_rate" {
  command = plan

  variables {
    options = { rate = 50, burst = 10 }
  }

  expect_failures = [var.options]
}
