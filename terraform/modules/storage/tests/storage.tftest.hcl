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
}

variables {
  name        = "tradingbot-test"
  kms_key_arn = "arn:aws:kms:ap-southeast-2:123456789012:key/11111111-2222-3333-4444-555555555555"
}

run "buckets_are_closed_and_encrypted" {
  command = plan

  assert {
    condition     = toset([for bucket in aws_s3_bucket.this : bucket.bucket]) == toset(["tradingbot-test-logs-123456789012-ap-southeast-2", "tradingbot-test-backups-123456789012-ap-southeast-2"])
    error_message = "Bucket names do not carry account and region."
  }

  assert {
    condition     = length(aws_s3_bucket_public_access_block.this) == 2 && alltrue([for block in aws_s3_bucket_public_access_block.this : block.block_public_acls && block.block_public_policy && block.ignore_public_acls && block.restrict_public_buckets])
    error_message = "A bucket could be made public."
  }

  assert {
    condition = { for kind, encryption in aws_s3_bucket_server_side_encryption_configuration.this : kind => one(one(encryption.rule).apply_server_side_encryption_by_default).sse_algorithm } == {
      logs = "AES256", backups = "aws:kms"
    }
    error_message = "Backups are encrypted with KMS, logs with S3's keys, which load balancers can use."
  }

  assert {
    condition     = one(one(aws_s3_bucket_server_side_encryption_configuration.this["backups"].rule).apply_server_side_encryption_by_default).kms_master_key_id == var.kms_key_arn && one(aws_s3_bucket_server_side_encryption_configuration.this["backups"].rule).bucket_key_enabled
    error_message = "Backups are not encrypted with the environment's key."
  }

  assert {
    condition     = alltrue([for versioning in aws_s3_bucket_versioning.this : one(versioning.versioning_configuration).status == "Enabled"]) && alltrue([for controls in aws_s3_bucket_ownership_controls.this : one(controls.rule).object_ownership == "BucketOwnerEnforced"])
    error_message = "A bucket has no versions, or objects of other owners."
  }

  assert {
    condition = alltrue([
      for kind, policy in aws_s3_bucket_policy.this : anytrue([
        for statement in jsondecode(policy.policy).Statement :
        statement.Effect == "Deny" && statement.Action == "s3:*" && statement.Condition == { Bool = { "aws:SecureTransport" = "false" } } && length(statement.Resource) == 2
      ])
    ])
    error_message = "A bucket answers without TLS."
  }
}

run "log_services_write_under_their_prefix" {
  command = plan

  assert {
    condition = {
      for statement in jsondecode(aws_s3_bucket_policy.this["logs"].policy).Statement : statement.Principal.Service => statement.Resource...
      if statement.Effect == "Allow" && statement.Action == "s3:PutObject"
      } == {
      "logdelivery.elasticloadbalancing.amazonaws.com" = ["arn:aws:s3:::tradingbot-test-logs-123456789012-ap-southeast-2/alb/AWSLogs/123456789012/*"]
      "delivery.logs.amazonaws.com"                    = ["arn:aws:s3:::tradingbot-test-logs-123456789012-ap-southeast-2/vpc-flow-logs/AWSLogs/*"]
      "logging.s3.amazonaws.com"                       = ["arn:aws:s3:::tradingbot-test-logs-123456789012-ap-southeast-2/s3/*"]
    }
    error_message = "A log service writes elsewhere than under its prefix."
  }

  assert {
    condition     = alltrue([for statement in jsondecode(aws_s3_bucket_policy.this["logs"].policy).Statement : can(statement.Condition) && (statement.Effect == "Deny" || strcontains(jsonencode(statement.Condition), "123456789012"))])
    error_message = "A log service may write for another account."
  }

  assert {
    condition     = alltrue([for statement in jsondecode(aws_s3_bucket_policy.this["backups"].policy).Statement : statement.Effect == "Deny"])
    error_message = "The backups bucket opens itself to someone."
  }

  assert {
    condition     = aws_s3_bucket_logging.backups.target_prefix == "s3/"
    error_message = "Access to the backups is not logged."
  }
}

run "backups_are_locked_and_expire" {
  command = plan

  variables {
    backup_lock_days      = 14
    backup_retention_days = 60
    log_retention_days    = 9
  }

  assert {
    condition     = aws_s3_bucket.this["backups"].object_lock_enabled && !aws_s3_bucket.this["logs"].object_lock_enabled
    error_message = "Backups have no object lock, or logs have one."
  }

  assert {
    condition     = one(one(aws_s3_bucket_object_lock_configuration.backups[0].rule).default_retention).days == 14 && one(one(aws_s3_bucket_object_lock_configuration.backups[0].rule).default_retention).mode == "GOVERNANCE"
    error_message = "Backups are not locked for the days set."
  }

  assert {
    condition     = { for kind, lifecycle in aws_s3_bucket_lifecycle_configuration.this : kind => one(one(lifecycle.rule).expiration).days } == { backups = 60, logs = 9 }
    error_message = "Backups or logs do not expire as set."
  }

  assert {
    condition     = alltrue([for lifecycle in aws_s3_bucket_lifecycle_configuration.this : one(one(lifecycle.rule).abort_incomplete_multipart_upload).days_after_initiation == 7])
    error_message = "Uploads that were broken off are paid for ever."
  }
}

run "dev_can_be_destroyed" {
  command = plan

  variables {
    backup_lock_days = 0
    force_destroy    = true
  }

  assert {
    condition     = !aws_s3_bucket.this["backups"].object_lock_enabled && length(aws_s3_bucket_object_lock_configuration.backups) == 0 && alltrue([for bucket in aws_s3_bucket.this : bucket.force_destroy])
    error_message = "A bucket of dev outlives its environment."
  }
}

run "alerts_wait_in_order" {
  command = plan

  assert {
    condition     = aws_sqs_queue.spill.name == "tradingbot-test-spill.fifo" && aws_sqs_queue.spill.fifo_queue && aws_sqs_queue.spill.content_based_deduplication
    error_message = "The spill queue keeps no order, or takes an alert twice."
  }

  assert {
    condition     = aws_sqs_queue.spill.visibility_timeout_seconds == 60 && aws_sqs_queue.spill.message_retention_seconds == 345600 && aws_sqs_queue.dead.message_retention_seconds == 1209600
    error_message = "Alerts wait four days, are hidden for 60 s, and stay 14 days when given up."
  }

  assert {
    condition     = aws_sqs_queue.spill.kms_master_key_id == var.kms_key_arn && aws_sqs_queue.dead.kms_master_key_id == var.kms_key_arn
    error_message = "Alerts in a queue are not encrypted with the environment's key."
  }

  assert {
    condition     = jsondecode(aws_sqs_queue.dead.redrive_allow_policy) == { redrivePermission = "byQueue", sourceQueueArns = ["arn:aws:sqs:ap-southeast-2:123456789012:tradingbot-test-spill.fifo"] }
    error_message = "Another queue may give up its messages here."
  }

  assert {
    condition = alltrue([
      for queue in [aws_sqs_queue.spill, aws_sqs_queue.dead] :
      jsondecode(queue.policy).Statement[0].Condition == { Bool = { "aws:SecureTransport" = "false" } } && endswith(jsondecode(queue.policy).Statement[0].Resource, ":${queue.name}")
    ])
    error_message = "A queue answers without TLS."
  }
}

run "what_cannot_be_taken_is_set_aside" {
  command = apply

  variables {
    spill_max_receives         = 12
    spill_visibility_timeout_s = 90
  }

  assert {
    condition     = jsondecode(aws_sqs_queue.spill.redrive_policy) == { deadLetterTargetArn = output.spill_dead_letter_arn, maxReceiveCount = 12 }
    error_message = "An alert that cannot be taken blocks those behind it for ever."
  }

  assert {
    condition     = aws_sqs_queue.spill.visibility_timeout_seconds == 90 && output.spill_queue_name == "tradingbot-test-spill.fifo" && output.spill_dead_letter_name == "tradingbot-test-spill-dead.fifo"
    error_message = "The queues are not those set."
  }
}

run "refuses_a_bad_name" {
  command = plan

  variables {
    name = "9lives"
  }

  expect_failures = [var.name]
}

run "refuses_a_key_that_is_no_arn" {
  command = plan

  variables {
    kms_key_arn = "alias/key"
  }

  expect_failures = [var.kms_key_arn]
}

run "refuses_logs_for_no_day" {
  command = plan

  variables {
    log_retention_days = 0
  }

  expect_failures = [var.log_retention_days]
}

run "refuses_backups_that_expire_locked" {
  command = plan

  variables {
    backup_retention_days = 20
  }

  expect_failures = [var.backup_retention_days]
}

run "refuses_a_negative_lock" {
  command = plan

  variables {
    backup_lock_days = -1
  }

  expect_failures = [var.backup_lock_days]
}

run "refuses_a_short_visibility" {
  command = plan

  variables {
    spill_visibility_timeout_s = 5
  }

  expect_failures = [var.spill_visibility_timeout_s]
}

run "refuses_few_tries" {
  command = plan

  variables {
    spill_max_receives = 9
  }

  expect_failures = [var.spill_max_receives]
}
