# Buckets for logs and backups, and the queue that takes alerts while the database is away.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  account = data.aws_caller_identity.current.account_id
  region  = data.aws_region.current.name
  arn     = "arn:${data.aws_partition.current.partition}"

  # Bucket names are unique in the world, so they carry account and region.
  buckets     = { for kind in ["logs", "backups"] : kind => "${var.name}-${kind}-${local.account}-${local.region}" }
  bucket_arns = { for kind, bucket in local.buckets : kind => "${local.arn}:s3:::${bucket}" }

  secure_transport = {
    for kind, arn in local.bucket_arns : kind => {
      Sid       = "OnlyTls"
      Effect    = "Deny"
      Principal = { AWS = "*" }
      Action    = "s3:*"
      Resource  = [arn, "${arn}/*"]
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }
  }

  policies = {
    backups = [local.secure_transport["backups"]]
    logs    = concat([local.secure_transport["logs"]], local.log_delivery)
  }

  # Each service writes under its own prefix, for this account alone.
  log_delivery = [
    {
      Sid       = "LoadBalancerLogs"
      Effect    = "Allow"
      Principal = { Service = "logdelivery.elasticloadbalancing.amazonaws.com" }
      Action    = "s3:PutObject"
      Resource  = "${local.bucket_arns["logs"]}/alb/AWSLogs/${local.account}/*"
      Condition = { ArnLike = { "aws:SourceArn" = "${local.arn}:elasticloadbalancing:${local.region}:${local.account}:loadbalancer/*" } }
    },
    {
      Sid       = "FlowLogs"
      Effect    = "Allow"
      Principal = { Service = "delivery.logs.amazonaws.com" }
      Action    = "s3:PutObject"
      Resource  = "${local.bucket_arns["logs"]}/vpc-flow-logs/AWSLogs/*"
      Condition = {
        StringEquals = { "aws:SourceAccount" = local.account, "s3:x-amz-acl" = "bucket-owner-full-control" }
        ArnLike      = { "aws:SourceArn" = "${local.arn}:logs:${local.region}:${local.account}:*" }
      }
    },
    {
      Sid       = "FlowLogsAclCheck"
      Effect    = "Allow"
      Principal = { Service = "delivery.logs.amazonaws.com" }
      Action    = ["s3:GetBucketAcl", "s3:ListBucket"]
      Resource  = local.bucket_arns["logs"]
      Condition = {
        StringEquals = { "aws:SourceAccount" = local.account }
        ArnLike      = { "aws:SourceArn" = "${local.arn}:logs:${local.region}:${local.account}:*" }
      }
    },
    {
      Sid       = "BackupAccessLogs"
      Effect    = "Allow"
      Principal = { Service = "logging.s3.amazonaws.com" }
      Action    = "s3:PutObject"
      Resource  = "${local.bucket_arns["logs"]}/s3/*"
      Condition = {
        StringEquals = { "aws:SourceAccount" = local.account }
        ArnLike      = { "aws:SourceArn" = local.bucket_arns["backups"] }
      }
    },
  ]
}

resource "aws_s3_bucket" "this" {
  #checkov:skip=CKV_AWS_18:Access to backups is logged (aws_s3_bucket_logging.backups); the log of the logs would be endless.
  #checkov:skip=CKV_AWS_145:Backups have KMS; load balancers can write only to a bucket with S3's own keys.
  #checkov:skip=CKV_AWS_144:Backups are restored in this region; a copy elsewhere is the operator's choice.
  #checkov:skip=CKV2_AWS_62:Nothing acts on new objects.
  for_each = local.buckets

  bucket              = each.value
  force_destroy       = var.force_destroy
  object_lock_enabled = each.key == "backups" && var.backup_lock_days > 0
}

resource "aws_s3_bucket_public_access_block" "this" {
  for_each = aws_s3_bucket.this

  bucket                  = each.value.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "this" {
  for_each = aws_s3_bucket.this

  bucket = each.value.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_versioning" "this" {
  for_each = aws_s3_bucket.this

  bucket = each.value.id

  versioning_configuration {
    status = "Enabled"
  }
}

# Load balancers can write only to buckets with S3's own keys, so logs have those and backups have KMS.
resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  for_each = aws_s3_bucket.this

  bucket = each.value.id

  rule {
    bucket_key_enabled = each.key == "backups"

    apply_server_side_encryption_by_default {
      sse_algorithm     = each.key == "backups" ? "aws:kms" : "AES256"
      kms_master_key_id = each.key == "backups" ? var.kms_key_arn : null
    }
  }
}

resource "aws_s3_bucket_policy" "this" {
  for_each = aws_s3_bucket.this

  bucket = each.value.id
  policy = jsonencode({ Version = "2012-10-17", Statement = local.policies[each.key] })

  depends_on = [aws_s3_bucket_public_access_block.this]
}

resource "aws_s3_bucket_lifecycle_configuration" "this" {
  for_each = aws_s3_bucket.this

  bucket = each.value.id

  rule {
    id     = "expire"
    status = "Enabled"

    filter {}

    expiration {
      days = each.key == "backups" ? var.backup_retention_days : var.log_retention_days
    }

    # What is deleted or overwritten by mistake can be brought back for a month.
    noncurrent_version_expiration {
      noncurrent_days = 30
    }

    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }

  depends_on = [aws_s3_bucket_versioning.this]
}

resource "aws_s3_bucket_logging" "backups" {
  bucket        = aws_s3_bucket.this["backups"].id
  target_bucket = aws_s3_bucket.this["logs"].id
  target_prefix = "s3/"

  depends_on = [aws_s3_bucket_policy.this]
}

resource "aws_s3_bucket_object_lock_configuration" "backups" {
  count = var.backup_lock_days > 0 ? 1 : 0

  bucket = aws_s3_bucket.this["backups"].id

  rule {
    default_retention {
      mode = "GOVERNANCE"
      days = var.backup_lock_days
    }
  }

  depends_on = [aws_s3_bucket_versioning.this]
}
