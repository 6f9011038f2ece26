mock_provider "aws" {
  override_during = plan

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
    defaults = { arn = "arn:aws:kms:ap-southeast-2:123456789012:key/11111111-2222-3333-4444-555555555555" }
  }
}

# Plans only: what is here refuses to be destroyed, in a test too.

run "the_state_is_closed_encrypted_and_kept" {
  command = plan

  assert {
    condition     = aws_s3_bucket.state.bucket == "tradingbot-terraform-state-123456789012-ap-southeast-2"
    error_message = "The bucket's name does not carry account and region."
  }

  assert {
    condition     = one(aws_s3_bucket_versioning.state.versioning_configuration).status == "Enabled" && one(one(aws_s3_bucket_lifecycle_configuration.state.rule).noncurrent_version_expiration).noncurrent_days == 365
    error_message = "An overwritten state cannot be brought back."
  }

  assert {
    condition     = one(one(aws_s3_bucket_server_side_encryption_configuration.state.rule).apply_server_side_encryption_by_default).sse_algorithm == "aws:kms" && one(one(aws_s3_bucket_server_side_encryption_configuration.state.rule).apply_server_side_encryption_by_default).kms_master_key_id == aws_kms_key.state.arn
    error_message = "The state is not encrypted with its own key."
  }

  assert {
    condition     = aws_s3_bucket_public_access_block.state.block_public_acls && aws_s3_bucket_public_access_block.state.block_public_policy && aws_s3_bucket_public_access_block.state.ignore_public_acls && aws_s3_bucket_public_access_block.state.restrict_public_buckets
    error_message = "The state could be made public."
  }

  assert {
    condition = alltrue([
      for statement in jsondecode(aws_s3_bucket_policy.state.policy).Statement :
      statement.Effect == "Deny" && statement.Condition == { Bool = { "aws:SecureTransport" = "false" } } && length(statement.Resource) == 2
    ])
    error_message = "The bucket answers without TLS, or opens itself to someone."
  }

  assert {
    condition     = aws_kms_key.state.enable_key_rotation && aws_kms_key.state.deletion_window_in_days == 30
    error_message = "The key does not rotate, or is gone sooner than in 30 days."
  }
}

run "two_locks" {
  command = plan

  assert {
    condition     = aws_dynamodb_table.lock[0].hash_key == "LockID" && aws_dynamodb_table.lock[0].billing_mode == "PAY_PER_REQUEST" && aws_dynamodb_table.lock[0].deletion_protection_enabled
    error_message = "The lock table is not the one Terraform knows."
  }

  assert {
    condition     = one(aws_dynamodb_table.lock[0].server_side_encryption).kms_key_arn == aws_kms_key.state.arn && one(aws_dynamodb_table.lock[0].point_in_time_recovery).enabled
    error_message = "The lock table is not encrypted, or cannot be brought back."
  }

  assert {
    condition     = alltrue([for environment, text in output.backend_config : strcontains(text, "use_lockfile   = true") && strcontains(text, "dynamodb_table = \"tradingbot-terraform-lock\"") && strcontains(text, "tradingbot/${environment}/terraform.tfstate")])
    error_message = "The backend file does not lock twice, or mixes environments up."
  }
}

run "one_lock_is_enough_for_terraform_1_11" {
  command = plan

  variables {
    lock_table         = false
    region             = "eu-central-1"
    kept_versions_days = 90
  }

  assert {
    condition     = length(aws_dynamodb_table.lock) == 0 && output.lock_table == null && alltrue([for text in output.backend_config : strcontains(text, "use_lockfile   = true") && !strcontains(text, "dynamodb_table")])
    error_message = "The backend file names a lock table that does not exist."
  }

  assert {
    condition     = endswith(aws_s3_bucket.state.bucket, "-eu-central-1") && one(one(aws_s3_bucket_lifecycle_configuration.state.rule).noncurrent_version_expiration).noncurrent_days == 90
    error_message = "The state is not in the region set, or kept for other days."
  }
}

run "refuses_a_bad_project" {
  command = plan

  variables {
    project = "My Bot"
  }

  expect_failures = [var.project]
}

run "refuses_a_bad_region" {
  command = plan

  variables {
    region = "sydney"
  }

  expect_failures = [var.region]
}

run "refuses_to_forget_versions_early" {
  command = plan

  variables {
    kept_versions_days = 7
  }

  expect_failures = [var.kept_versions_days]
}
