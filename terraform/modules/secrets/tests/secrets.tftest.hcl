mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }

  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }

  mock_data "aws_region" {
    defaults = { name = "ap-southeast-2" }
  }

  mock_resource "aws_kms_key" {
    override_during = plan

    defaults = {
      arn    = "arn:aws:kms:ap-southeast-2:123456789012:key/11111111-2222-3333-4444-555555555555"
      id     = "11111111-2222-3333-4444-555555555555"
      key_id = "11111111-2222-3333-4444-555555555555"
    }
  }
}

variables {
  name   = "tradingbot-test"
  prefix = "tradingbot/test"
  values = { SECRET_KEY = "canary-of-the-test", OKX_API_KEY = "  ", STRATEGIES = "strategies: []" }
}

run "one_secret_for_each_name" {
  command = apply

  assert {
    condition = toset([for secret in aws_secretsmanager_secret.this : secret.name]) == toset([
      for name in [
        "SECRET_KEY", "WEBHOOK_SECRET", "ENCRYPTION_KEY", "API_TOKEN", "BINANCE_API_KEY", "BINANCE_API_SECRET", "OKX_API_KEY",
        "OKX_API_SECRET", "OKX_PASSPHRASE", "OPENAI_API_KEY", "ANTHROPIC_API_KEY", "TELEGRAM_BOT_TOKEN", "SENTRY_DSN",
        "OTEL_EXPORTER_OTLP_HEADERS", "STRATEGIES",
      ] : "tradingbot/test/${name}"
    ])
    error_message = "The secrets are not those the application reads."
  }

  assert {
    condition     = alltrue([for secret in aws_secretsmanager_secret.this : secret.kms_key_id == output.kms_key_arn])
    error_message = "A secret is not encrypted with the environment's key."
  }

  assert {
    condition     = alltrue([for secret in aws_secretsmanager_secret.this : secret.recovery_window_in_days == 30])
    error_message = "A deleted secret cannot be brought back for 30 days."
  }

  assert {
    condition     = length(output.secret_arns) == 14 && !contains(keys(output.secret_arns), "STRATEGIES") && output.strategies_secret_arn == aws_secretsmanager_secret.this["STRATEGIES"].arn
    error_message = "STRATEGIES is read by another path than the 14 others."
  }
}

run "no_value_is_in_state" {
  command = apply

  assert {
    condition     = !strcontains(jsonencode([aws_secretsmanager_secret.this, aws_secretsmanager_secret_version.this]), "canary-of-the-test")
    error_message = "A value is kept in state."
  }

  assert {
    condition     = alltrue([for version in aws_secretsmanager_secret_version.this : version.secret_string_wo_version == 1 && version.secret_binary == null])
    error_message = "The first values are not version 1, or are written another way."
  }
}

run "a_secret_is_written_once" {
  command = apply

  variables {
    values = {}
  }

  assert {
    condition     = alltrue([for version in aws_secretsmanager_secret_version.this : version.secret_string_wo_version == 1])
    error_message = "Terraform would write again, and a blank where nothing is exported."
  }

  assert {
    condition     = alltrue([for version in aws_secretsmanager_secret_version.this : toset(version.version_stages) == toset(["AWSCURRENT", "FIRST"])])
    error_message = "The first version has no label of its own: it would be cleared away, and a blank be written in its place."
  }
}

run "the_key_rotates_and_serves_only_this_account" {
  command = plan

  assert {
    condition     = aws_kms_key.this.enable_key_rotation && aws_kms_key.this.deletion_window_in_days == 30
    error_message = "The key does not rotate, or is gone sooner than in 30 days."
  }

  assert {
    condition = alltrue([
      for statement in jsondecode(aws_kms_key.this.policy).Statement : strcontains(jsonencode(statement), "123456789012")
      if statement.Sid != "EventsToEncryptedTopics"
    ])
    error_message = "The key serves another account."
  }

  assert {
    condition = [
      for statement in jsondecode(aws_kms_key.this.policy).Statement : try(statement.Condition, null) == null && toset(statement.Action) == toset(["kms:Decrypt", "kms:GenerateDataKey*"])
      if try(statement.Principal.Service == "events.amazonaws.com", false)
    ] == [true]
    error_message = "EventBridge names no source to KMS: a condition would drop its notices."
  }

  assert {
    condition     = toset(flatten([for statement in jsondecode(aws_kms_key.this.policy).Statement : try(statement.Principal.Service, [])])) == toset(["logs.ap-southeast-2.amazonaws.com", "cloudwatch.amazonaws.com", "events.amazonaws.com", "budgets.amazonaws.com"])
    error_message = "The services that may use the key are not those that need it."
  }

  assert {
    condition     = aws_kms_alias.this.name == "alias/tradingbot-test"
    error_message = "The key has no name a person can find."
  }
}

run "secrets_of_dev_are_gone_at_once" {
  command = plan

  variables {
    recovery_window_days = 0
    key_deletion_days    = 7
  }

  assert {
    condition     = alltrue([for secret in aws_secretsmanager_secret.this : secret.recovery_window_in_days == 0]) && aws_kms_key.this.deletion_window_in_days == 7
    error_message = "The names of a destroyed environment are not free again."
  }
}

run "refuses_a_bad_name" {
  command = plan

  variables {
    name = "Prod"
  }

  expect_failures = [var.name]
}

run "refuses_a_prefix_without_environment" {
  command = plan

  variables {
    prefix = "tradingbot"
  }

  expect_failures = [var.prefix]
}

run "refuses_an_unknown_secret" {
  command = plan

  variables {
    values = { BINANCE_KEY = "typo" }
  }

  expect_failures = [var.values]
}

run "refuses_a_value_that_is_too_long" {
  command = plan

  variables {
    values = { STRATEGIES = join("", [for part in range(66) : format("%01000d", part)]) }
  }

  expect_failures = [var.values]
}

run "refuses_a_short_recovery" {
  command = plan

  variables {
    recovery_window_days = 3
  }

  expect_failures = [var.recovery_window_days]
}

run "refuses_a_hasty_key_deletion" {
  command = plan

  variables {
    key_deletion_days = 1
  }

  expect_failures = [var.key_deletion_days]
}
