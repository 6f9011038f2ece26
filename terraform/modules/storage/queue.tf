# Alerts that could not be written to the database wait here in order, up to four days.

locals {
  queues     = { spill = "${var.name}-spill.fifo", dead = "${var.name}-spill-dead.fifo" }
  queue_arns = { for kind, name in local.queues : kind => "${local.arn}:sqs:${local.region}:${local.account}:${name}" }

  queue_policies = {
    for kind, arn in local.queue_arns : kind => jsonencode({
      Version = "2012-10-17"
      Statement = [{
        Sid       = "OnlyTls"
        Effect    = "Deny"
        Principal = { AWS = "*" }
        Action    = "sqs:*"
        Resource  = arn
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      }]
    })
  }
}

resource "aws_sqs_queue" "spill" {
  name                              = local.queues.spill
  fifo_queue                        = true
  content_based_deduplication       = true
  deduplication_scope               = "messageGroup"
  fifo_throughput_limit             = "perMessageGroupId"
  visibility_timeout_seconds        = var.spill_visibility_timeout_s
  message_retention_seconds         = 4 * 24 * 3600
  receive_wait_time_seconds         = 20
  kms_master_key_id                 = var.kms_key_arn
  kms_data_key_reuse_period_seconds = 300
  policy                            = local.queue_policies.spill

  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead.arn
    maxReceiveCount     = var.spill_max_receives
  })
}

# An alert arrives here after spill_max_receives tries; an alarm says so, and a person has 14 days to look.
resource "aws_sqs_queue" "dead" {
  name                              = local.queues.dead
  fifo_queue                        = true
  content_based_deduplication       = true
  deduplication_scope               = "messageGroup"
  fifo_throughput_limit             = "perMessageGroupId"
  message_retention_seconds         = 14 * 24 * 3600
  kms_master_key_id                 = var.kms_key_arn
  kms_data_key_reuse_period_seconds = 300
  policy                            = local.queue_policies.dead

  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = [local.queue_arns.spill]
  })
}
