# Redis: a doorbell between tasks and a shared count of requests. Nothing that matters is in it: the application
# goes on alone while it is away, so an empty or evicting cache costs speed, never an alert or an order.
#
# There is no password: tasks sign in with their IAM role, so none can be in state.

locals {
  user = "${var.name}-app" # IAM authentication wants the user's id and name to be the same
  logs = toset(["slow-log", "engine-log"])
}

resource "aws_elasticache_subnet_group" "this" {
  name        = var.name
  description = "Cache subnets of ${var.name}"
  subnet_ids  = var.subnet_ids
}

resource "aws_elasticache_parameter_group" "this" {
  name        = "${var.name}-redis7"
  description = "Redis 7 of ${var.name}"
  family      = "redis7"

  # Every key is written with a time to live; a full cache gives up the least used of those and refuses no write.
  parameter {
    name  = "maxmemory-policy"
    value = "volatile-lru"
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_elasticache_user" "app" {
  user_id       = local.user
  user_name     = local.user
  engine        = "redis"
  access_string = "on ~* &* -@all +@connection +@read +@write +@pubsub +@transaction -@dangerous"

  authentication_mode {
    type = "iam"
  }
}

# A group must hold a user named "default": the one every client is before it signs in. This one may do nothing.
resource "aws_elasticache_user" "default" {
  user_id       = "${var.name}-default"
  user_name     = "default"
  engine        = "redis"
  access_string = "off ~keys* -@all +get" # what AWS shows for a disabled user; with less it never settles

  authentication_mode {
    type = "no-password-required"
  }
}

resource "aws_elasticache_user_group" "this" {
  user_group_id = var.name
  engine        = "redis"
  user_ids      = [aws_elasticache_user.app.user_id, aws_elasticache_user.default.user_id]
}

resource "aws_cloudwatch_log_group" "this" {
  for_each = local.logs

  name              = "/aws/elasticache/${var.name}/${each.key}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
}

resource "aws_elasticache_replication_group" "this" {
  #checkov:skip=CKV2_AWS_50:Failover follows var.replicas, which the scan does not resolve; a test holds it.
  replication_group_id = var.name
  description          = "Doorbell and request counts of ${var.name}"
  engine               = "redis"
  engine_version       = var.engine_version
  node_type            = var.node_type
  port                 = 6379

  num_cache_clusters         = 1 + var.replicas
  automatic_failover_enabled = var.replicas > 0
  multi_az_enabled           = var.replicas > 0

  subnet_group_name    = aws_elasticache_subnet_group.this.name
  security_group_ids   = [var.security_group_id]
  parameter_group_name = aws_elasticache_parameter_group.this.name

  transit_encryption_enabled = true # and required: plain connections are refused
  at_rest_encryption_enabled = true
  kms_key_id                 = var.kms_key_arn
  user_group_ids             = [aws_elasticache_user_group.this.user_group_id]

  maintenance_window         = "sun:06:00-sun:07:00" # UTC; after the database's
  auto_minor_version_upgrade = true
  apply_immediately          = var.apply_immediately
  snapshot_retention_limit   = 0 # nothing to restore

  dynamic "log_delivery_configuration" {
    for_each = local.logs

    content {
      destination      = aws_cloudwatch_log_group.this[log_delivery_configuration.value].name
      destination_type = "cloudwatch-logs"
      log_format       = "json"
      log_type         = log_delivery_configuration.value
    }
  }
}
