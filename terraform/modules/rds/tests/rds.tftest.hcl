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

  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/tradingbot-test-rds-monitoring" }
  }

  mock_resource "aws_db_instance" {
    defaults = {
      master_user_secret = [{ secret_arn = "arn:aws:secretsmanager:ap-southeast-2:123456789012:secret:rds!db-1", secret_status = "active", kms_key_id = "arn:aws:kms:ap-southeast-2:123456789012:key/11111111-2222-3333-4444-555555555555" }]
    }
  }
}

variables {
  name              = "tradingbot-test"
  subnet_ids        = ["subnet-0000000a", "subnet-0000000b"]
  security_group_id = "sg-0123456789abcdef0"
  kms_key_arn       = "arn:aws:kms:ap-southeast-2:123456789012:key/11111111-2222-3333-4444-555555555555"
}

run "data_is_encrypted_and_private" {
  command = plan

  assert {
    condition     = aws_db_instance.this.storage_encrypted && aws_db_instance.this.kms_key_id == var.kms_key_arn && aws_db_instance.this.performance_insights_kms_key_id == var.kms_key_arn
    error_message = "Data or statistics are not encrypted with the environment's key."
  }

  assert {
    condition     = !aws_db_instance.this.publicly_accessible && aws_db_instance.this.vpc_security_group_ids == toset([var.security_group_id]) && aws_db_subnet_group.this.subnet_ids == toset(var.subnet_ids)
    error_message = "The database is not in its subnets and its group."
  }

  assert {
    condition     = { for parameter in aws_db_parameter_group.this.parameter : parameter.name => parameter.value }["rds.force_ssl"] == "1"
    error_message = "The database takes connections without TLS."
  }

  assert {
    condition     = { for parameter in aws_db_parameter_group.this.parameter : parameter.name => parameter.value }["log_statement"] == "ddl"
    error_message = "The log would hold what users sent, or no schema change."
  }

  assert {
    condition     = { for parameter in aws_db_parameter_group.this.parameter : parameter.name => parameter.value }["log_parameter_max_length"] == "0"
    error_message = "A slow statement's parameters, which users sent, would be in the log."
  }

  assert {
    condition     = aws_db_parameter_group.this.family == "postgres16" && aws_db_instance.this.engine == "postgres" && aws_db_instance.this.engine_version == "16"
    error_message = "The engine is not PostgreSQL 16."
  }
}

run "no_password_passes_through_terraform" {
  command = apply

  assert {
    condition     = aws_db_instance.this.manage_master_user_password && aws_db_instance.this.password == null && aws_db_instance.this.password_wo == null
    error_message = "RDS does not make the password itself."
  }

  assert {
    condition     = aws_db_instance.this.master_user_secret_kms_key_id == var.kms_key_arn && output.master_secret_arn == "arn:aws:secretsmanager:ap-southeast-2:123456789012:secret:rds!db-1"
    error_message = "The password's secret is not handed on, or not encrypted with the environment's key."
  }

  assert {
    condition     = output.username == "tradingbot" && output.database_name == "tradingbot" && output.instance_id == "tradingbot-test"
    error_message = "The database is not the one that DATABASE_URL names."
  }
}

run "data_that_matters_is_kept" {
  command = apply

  assert {
    condition     = aws_db_instance.this.multi_az && aws_db_instance.this.deletion_protection && !aws_db_instance.this.delete_automated_backups && !aws_db_instance.this.apply_immediately
    error_message = "A protected database can be deleted, or changes at noon."
  }

  assert {
    condition     = !aws_db_instance.this.skip_final_snapshot && can(regex("^tradingbot-test-final-[0-9a-f]{8}$", aws_db_instance.this.final_snapshot_identifier))
    error_message = "A protected database leaves no final snapshot, or two of them have the same name."
  }

  assert {
    condition     = aws_db_instance.this.backup_retention_period == 7 && aws_db_instance.this.backup_window == "03:00-04:00" && aws_db_instance.this.maintenance_window == "sun:04:30-sun:05:30"
    error_message = "Backups are not those of the design, or maintenance falls into them."
  }

  assert {
    condition     = aws_db_instance.this.storage_type == "gp3" && aws_db_instance.this.allocated_storage == 20 && aws_db_instance.this.max_allocated_storage == 100
    error_message = "Storage does not grow by itself."
  }
}

run "the_database_is_watched" {
  command = plan

  assert {
    condition     = aws_db_instance.this.performance_insights_enabled && aws_db_instance.this.performance_insights_retention_period == 7 && aws_db_instance.this.monitoring_interval == 60
    error_message = "Performance Insights or enhanced monitoring is off."
  }

  assert {
    condition     = aws_db_instance.this.enabled_cloudwatch_logs_exports == toset(["postgresql", "upgrade"]) && toset([for group in aws_cloudwatch_log_group.this : group.name]) == toset(["/aws/rds/instance/tradingbot-test/postgresql", "/aws/rds/instance/tradingbot-test/upgrade"])
    error_message = "Logs do not go to groups of ours."
  }

  assert {
    condition     = alltrue([for group in aws_cloudwatch_log_group.this : group.kms_key_id == var.kms_key_arn && group.retention_in_days == 365])
    error_message = "A log is not encrypted, or kept for ever."
  }

  assert {
    condition     = jsondecode(aws_iam_role.monitoring.assume_role_policy).Statement[0].Condition.ArnLike["aws:SourceArn"] == "arn:aws:rds:ap-southeast-2:123456789012:db:tradingbot-test"
    error_message = "The monitoring role serves other databases."
  }
}

run "dev_is_cheap_and_can_be_destroyed" {
  command = plan

  variables {
    multi_az              = false
    protected             = false
    keep_data             = false
    instance_class        = "db.t4g.micro"
    backup_retention_days = 1
    storage_gb            = { max = 30 }
  }

  assert {
    condition     = !aws_db_instance.this.multi_az && !aws_db_instance.this.deletion_protection && aws_db_instance.this.skip_final_snapshot && aws_db_instance.this.final_snapshot_identifier == null && aws_db_instance.this.delete_automated_backups && aws_db_instance.this.apply_immediately
    error_message = "The database of dev outlives its environment."
  }

  assert {
    condition     = aws_db_instance.this.instance_class == "db.t4g.micro" && aws_db_instance.this.allocated_storage == 20 && aws_db_instance.this.max_allocated_storage == 30 && aws_db_instance.this.backup_retention_period == 1
    error_message = "The database is not of the size set."
  }
}

run "unlocked_is_not_discarded" {
  command = plan

  variables {
    protected = false
  }

  assert {
    condition     = !aws_db_instance.this.deletion_protection && !aws_db_instance.this.skip_final_snapshot && !aws_db_instance.this.delete_automated_backups
    error_message = "Who lifts the lock loses the last snapshot too."
  }
}

run "refuses_a_bad_name" {
  command = plan

  variables {
    name = "a_b"
  }

  expect_failures = [var.name]
}

run "refuses_a_single_subnet" {
  command = plan

  variables {
    subnet_ids = ["subnet-0000000a"]
  }

  expect_failures = [var.subnet_ids]
}

run "refuses_a_key_that_is_no_arn" {
  command = plan

  variables {
    kms_key_arn = "alias/aws/rds"
  }

  expect_failures = [var.kms_key_arn]
}

run "refuses_another_major_version" {
  command = plan

  variables {
    engine_version = "17"
  }

  expect_failures = [var.engine_version]
}

run "refuses_a_class_of_another_service" {
  command = plan

  variables {
    instance_class = "cache.t4g.micro"
  }

  expect_failures = [var.instance_class]
}

run "refuses_storage_that_cannot_grow" {
  command = plan

  variables {
    storage_gb = { initial = 20, max = 21 }
  }

  expect_failures = [var.storage_gb]
}

run "refuses_a_protected_database_with_few_backups" {
  command = plan

  variables {
    backup_retention_days = 3
  }

  expect_failures = [var.backup_retention_days]
}

run "refuses_a_reading_every_two_seconds" {
  command = plan

  variables {
    monitoring_interval_s = 2
  }

  expect_failures = [var.monitoring_interval_s]
}

run "refuses_a_retention_unknown_to_cloudwatch" {
  command = plan

  variables {
    log_retention_days = 100
  }

  expect_failures = [var.log_retention_days]
}
