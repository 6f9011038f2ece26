# The webhook alone, without a server: API Gateway takes an alert, the function checks it and writes it to the spill queue.
# An HTTP API rather than a function URL: it limits the rate before the function is paid for, keeps an access log, and no
# policy says that anybody may invoke the function. Both put the sender's address where a client cannot forge it
# (requestContext.http.sourceIp).

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  region = data.aws_region.current.name
}

resource "aws_lambda_function" "this" {
  #checkov:skip=CKV_AWS_272:Code signing is for zip files; the image is pinned by digest
  function_name                  = "${var.name}-intake"
  description                    = "Takes TradingView alerts in and writes them to the spill queue"
  package_type                   = "Image"
  image_uri                      = var.image
  role                           = aws_iam_role.this.arn
  architectures                  = [var.options.arm64 ? "arm64" : "x86_64"]
  memory_size                    = var.options.memory_mb
  reserved_concurrent_executions = var.options.concurrency
  kms_key_arn                    = var.kms_key_arn
  # TradingView hangs up after 3 s and does not send again: an alert that is being stored then is stored all the same.
  timeout = 10

  image_config {
    command = ["app.lambda_handler.handler"]
  }

  environment {
    variables = merge(var.environment, {
      SECRETS_FROM_AWS  = join(",", [for name, arn in var.secret_arns : "${name}=${arn}"])
      STRATEGIES_SECRET = var.strategies_secret_arn
      STRATEGIES_FILE   = "/tmp/strategies.yaml"
      METRICS_EMF       = "true"
    })
  }

  vpc_config {
    subnet_ids         = var.network.subnet_ids
    security_group_ids = [var.network.security_group_id]
  }

  dead_letter_config {
    target_arn = aws_sqs_queue.failed.arn
  }

  tracing_config {
    mode = "Active"
  }

  logging_config {
    log_format = "Text"
    log_group  = aws_cloudwatch_log_group.function.name
  }

  depends_on = [aws_iam_role_policy.this]
}

# API Gateway waits for the answer, and TradingView sends again what was answered 5xx, but for 504. What anything else
# invokes without waiting, and fails, lies here.
resource "aws_sqs_queue" "failed" {
  name                      = "${var.name}-intake-failed"
  kms_master_key_id         = var.kms_key_arn
  message_retention_seconds = 1209600
}

resource "aws_cloudwatch_log_group" "function" {
  name              = "/aws/lambda/${var.name}-intake"
  retention_in_days = var.options.log_retention_days
  kms_key_id        = var.kms_key_arn
}

resource "aws_cloudwatch_log_group" "access" {
  name              = "/aws/apigateway/${var.name}-intake"
  retention_in_days = var.options.log_retention_days
  kms_key_id        = var.kms_key_arn
}

resource "aws_apigatewayv2_api" "this" {
  name          = "${var.name}-intake"
  description   = "The webhook for TradingView"
  protocol_type = "HTTP"
}

resource "aws_apigatewayv2_integration" "this" {
  api_id                 = aws_apigatewayv2_api.this.id
  integration_type       = "AWS_PROXY"
  integration_uri        = aws_lambda_function.this.invoke_arn
  payload_format_version = "2.0"
  timeout_milliseconds   = 10000
}

resource "aws_apigatewayv2_route" "this" {
  #checkov:skip=CKV_AWS_309:TradingView cannot sign requests: the function checks address and secret of every alert itself
  for_each = toset(["POST /api/v1/webhooks/tradingview", "GET /api/v1/health"])

  api_id    = aws_apigatewayv2_api.this.id
  route_key = each.key
  target    = "integrations/${aws_apigatewayv2_integration.this.id}"
}

resource "aws_apigatewayv2_stage" "this" {
  api_id      = aws_apigatewayv2_api.this.id
  name        = "$default"
  auto_deploy = true

  default_route_settings {
    throttling_rate_limit    = var.options.rate
    throttling_burst_limit   = var.options.burst
    detailed_metrics_enabled = true
  }

  access_log_settings {
    destination_arn = aws_cloudwatch_log_group.access.arn

    format = jsonencode({
      at      = "$context.requestTime"
      sender  = "$context.identity.sourceIp"
      route   = "$context.routeKey"
      status  = "$context.status"
      ms      = "$context.responseLatency"
      request = "$context.requestId"
      error   = "$context.integrationErrorMessage"
    })
  }
}

# TradingView sends again after a 5xx (three times, 5 s apart): time to look before an alert is lost.
resource "aws_cloudwatch_metric_alarm" "errors" {
  alarm_name          = "${var.name}-intake-5xx"
  alarm_description   = "The intake has answered a request with 5xx: TradingView sends such an alert three times more, then it is lost"
  namespace           = "AWS/ApiGateway"
  metric_name         = "5xx"
  dimensions          = { ApiId = aws_apigatewayv2_api.this.id }
  statistic           = "Sum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  period              = 300
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = [var.alarm_topic_arn]
  ok_actions          = [var.alarm_topic_arn]
}

# What it does not send again: too many at once (429), and a gateway that waited in vain (504).
resource "aws_cloudwatch_log_metric_filter" "lost" {
  name           = "${var.name}-intake-lost"
  log_group_name = aws_cloudwatch_log_group.access.name
  pattern        = "{ $.status = \"429\" || $.status = \"504\" }"

  metric_transformation {
    namespace = "TradingBot/Intake"
    name      = "${var.name}-lost"
    value     = "1"
    unit      = "Count"
  }
}

resource "aws_cloudwatch_metric_alarm" "lost" {
  alarm_name          = "${var.name}-intake-lost"
  alarm_description   = "The intake has answered 429 or 504, which TradingView does not send again: an alert is lost. The access log says which sender"
  namespace           = aws_cloudwatch_log_metric_filter.lost.metric_transformation[0].namespace
  metric_name         = aws_cloudwatch_log_metric_filter.lost.metric_transformation[0].name
  statistic           = "Sum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  period              = 60
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = [var.alarm_topic_arn]
  ok_actions          = [var.alarm_topic_arn]
}

resource "aws_lambda_permission" "this" {
  statement_id  = "intake"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.this.function_name
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_apigatewayv2_api.this.execution_arn}/*/*"
}

resource "aws_iam_role" "this" {
  name        = "${var.name}-intake"
  description = "What the intake may do: read its secrets, write to the queue."

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "lambda.amazonaws.com" }
      Condition = { StringEquals = { "aws:SourceAccount" = data.aws_caller_identity.current.account_id } }
    }]
  })
}

resource "aws_iam_role_policy" "this" {
  #checkov:skip=CKV_AWS_290:Network interfaces and X-Ray segments have no ARN before they are made
  #checkov:skip=CKV_AWS_355:Network interfaces and X-Ray segments have no ARN before they are made
  name = "take-in"
  role = aws_iam_role.this.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "ReadSecrets"
        Effect   = "Allow"
        Action   = "secretsmanager:GetSecretValue"
        Resource = concat(values(var.secret_arns), [var.strategies_secret_arn])
      },
      {
        # One call for all of them; AWS takes no resource here, and hands out what the statement above names.
        Sid      = "ReadSecretsTogether"
        Effect   = "Allow"
        Action   = "secretsmanager:BatchGetSecretValue"
        Resource = "*"
      },
      {
        Sid      = "WriteAlerts"
        Effect   = "Allow"
        Action   = ["sqs:GetQueueAttributes", "sqs:SendMessage"]
        Resource = [var.spill_queue_arn, aws_sqs_queue.failed.arn]
      },
      {
        Sid      = "UseKey"
        Effect   = "Allow"
        Action   = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource = var.kms_key_arn
      },
      {
        Sid      = "WriteLog"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = "${aws_cloudwatch_log_group.function.arn}:*"
      },
      {
        Sid    = "JoinNetwork"
        Effect = "Allow"
        Action = [
          "ec2:AssignPrivateIpAddresses", "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface",
          "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets", "ec2:UnassignPrivateIpAddresses",
        ]
        Resource = "*"
      },
      {
        # These rights are for the service, to put the function into the network; its code may not use them.
        Sid    = "NotFromTheCode"
        Effect = "Deny"
        Action = [
          "ec2:AssignPrivateIpAddresses", "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface",
          "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets", "ec2:UnassignPrivateIpAddresses",
        ]
        Resource  = "*"
        Condition = { ArnEquals = { "lambda:SourceFunctionArn" = "arn:${data.aws_partition.current.partition}:lambda:${local.region}:${data.aws_caller_identity.current.account_id}:function:${var.name}-intake" } }
      },
      {
        Sid      = "Trace"
        Effect   = "Allow"
        Action   = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]
        Resource = "*"
      },
    ]
  })
}
