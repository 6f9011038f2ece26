# The cluster, its log, and the private name of the paper exchange.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  region    = data.aws_region.current.name
  namespace = "${var.name}.internal"
  # Built here, not taken from the task definitions: theirs are unknown whenever the image changes, and every policy with them.
  family_arns = { for role in keys(local.tasks) :
    role => "arn:${data.aws_partition.current.partition}:ecs:${local.region}:${data.aws_caller_identity.current.account_id}:task-definition/${var.name}-${role}"
  }
  services = toset(concat(["api", "worker"], var.options.venue ? ["venue"] : []))
}

resource "aws_cloudwatch_log_group" "tasks" {
  name              = "/${replace(var.name, "/-([^-]+)$/", "/$1")}/tasks"
  retention_in_days = var.options.log_retention_days
  kms_key_id        = var.kms_key_arn
}

resource "aws_ecs_cluster" "this" {
  name = var.name

  setting {
    name  = "containerInsights"
    value = "enabled"
  }

  configuration {
    execute_command_configuration {
      kms_key_id = var.kms_key_arn
      logging    = "OVERRIDE"

      log_configuration {
        cloud_watch_encryption_enabled = true
        cloud_watch_log_group_name     = aws_cloudwatch_log_group.tasks.name
      }
    }
  }
}

resource "aws_ecs_cluster_capacity_providers" "this" {
  cluster_name       = aws_ecs_cluster.this.name
  capacity_providers = ["FARGATE", "FARGATE_SPOT"]

  default_capacity_provider_strategy {
    capacity_provider = "FARGATE"
    weight            = 1
  }
}

resource "aws_service_discovery_private_dns_namespace" "this" {
  count = var.options.venue ? 1 : 0

  name        = local.namespace
  description = "Names of tasks of ${var.name}"
  vpc         = var.network.vpc_id
}

resource "aws_service_discovery_service" "venue" {
  count = var.options.venue ? 1 : 0

  name          = "venue"
  force_destroy = true

  dns_config {
    namespace_id   = aws_service_discovery_private_dns_namespace.this[0].id
    routing_policy = "MULTIVALUE"

    dns_records {
      type = "A"
      ttl  = 10
    }
  }

  # ECS says which task is healthy. The number means nothing any more, but an empty block would be replaced at every apply.
  health_check_custom_config {
    failure_threshold = 1
  }
}
