# The environment's KMS key and its secrets. Values are write-only: they pass through Terraform on their way to
# Secrets Manager and are in no state and no plan.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  names = toset([
    "SECRET_KEY", "WEBHOOK_SECRET", "ENCRYPTION_KEY", "API_TOKEN",
    "BINANCE_API_KEY", "BINANCE_API_SECRET", "OKX_API_KEY", "OKX_API_SECRET", "OKX_PASSPHRASE",
    "OPENAI_API_KEY", "ANTHROPIC_API_KEY", "TELEGRAM_BOT_TOKEN", "SENTRY_DSN", "OTEL_EXPORTER_OTLP_HEADERS",
  ])
  all_names = setunion(local.names, ["STRATEGIES"]) # STRATEGIES: the text of strategies.yaml, read by another path

  account = data.aws_caller_identity.current.account_id
  region  = data.aws_region.current.name

  # RDS, ElastiCache, ECR, SQS and Secrets Manager use the key in the name of the caller, whom IAM judges; the
  # services below act in their own name, bound to this account where they say whom they act for.
  key_statements = [
    {
      Sid       = "AccountByIam"
      Effect    = "Allow"
      Principal = { AWS = "arn:${data.aws_partition.current.partition}:iam::${local.account}:root" }
      Action    = "kms:*"
      Resource  = "*"
    },
    {
      Sid       = "LogGroups"
      Effect    = "Allow"
      Principal = { Service = "logs.${local.region}.amazonaws.com" }
      Action    = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"]
      Resource  = "*"
      Condition = {
        ArnLike = {
          "kms:EncryptionContext:aws:logs:arn" = "arn:${data.aws_partition.current.partition}:logs:${local.region}:${local.account}:log-group:*"
        }
      }
    },
    {
      Sid       = "AlarmsToEncryptedTopics"
      Effect    = "Allow"
      Principal = { Service = ["cloudwatch.amazonaws.com", "budgets.amazonaws.com"] }
      Action    = ["kms:Decrypt", "kms:GenerateDataKey*"]
      Resource  = "*"
      Condition = { StringEquals = { "aws:SourceAccount" = local.account } }
    },
    {
      # EventBridge names no source to KMS: with a condition, its notices would be dropped without a word. The
      # topic's policy says whose events are let in.
      Sid       = "EventsToEncryptedTopics"
      Effect    = "Allow"
      Principal = { Service = "events.amazonaws.com" }
      Action    = ["kms:Decrypt", "kms:GenerateDataKey*"]
      Resource  = "*"
    },
  ]
}

resource "aws_kms_key" "this" {
  description             = "${var.name}: secrets, database, cache, images, queues, backups, logs"
  enable_key_rotation     = true
  deletion_window_in_days = var.key_deletion_days
  policy                  = jsonencode({ Version = "2012-10-17", Statement = local.key_statements })

  tags = { Name = var.name }
}

resource "aws_kms_alias" "this" {
  name          = "alias/${var.name}"
  target_key_id = aws_kms_key.this.key_id
}

resource "aws_secretsmanager_secret" "this" {
  #checkov:skip=CKV2_AWS_57:Exchange keys and AI keys are issued by their providers: no function can rotate them.
  for_each = local.all_names

  name                    = "${var.prefix}/${each.key}"
  description             = "${each.key} of ${var.name}"
  kms_key_id              = aws_kms_key.this.arn
  recovery_window_in_days = var.recovery_window_days
}

# The first value, written once. Later ones come from people and from `aws secretsmanager put-secret-value`: Terraform,
# which does not know them and mostly runs without any value exported, would put a blank in their place.
resource "aws_secretsmanager_secret_version" "this" {
  for_each = local.all_names

  secret_id                = aws_secretsmanager_secret.this[each.key].id
  secret_string_wo         = try(length(trimspace(var.values[each.key])) > 0, false) ? var.values[each.key] : " "
  secret_string_wo_version = 1
  # Secrets Manager clears away old versions that have no label. Were this one gone, it would be written again.
  version_stages = ["AWSCURRENT", "FIRST"]

  lifecycle {
    # A newer value takes AWSCURRENT along, and it must not be fetched back.
    ignore_changes = [secret_string_wo_version, version_stages]
  }
}
