# Every alarm says in its description what it means; docs/runbooks/aws-alarms.md says what to do.

locals {
  bot     = { Deployment = var.deployment }
  alb     = { LoadBalancer = var.watched.alb_arn_suffix }
  service = { for role in ["api", "worker"] : role => { ClusterName = var.watched.cluster_name, ServiceName = var.watched.service_names[role] } }

  # One row per alarm on one metric. missing: what silence of the metric means.
  metric_alarms = merge(
    {
      for role, dimensions in local.service : "${role}-cpu" => {
        text      = "CPU of the ${role} tasks above 80 %", namespace = "AWS/ECS", metric = "CPUUtilization"
        statistic = "Average", above = 80, period = 60, of = 5, missing = "notBreaching", dimensions = dimensions
      }
    },
    {
      for role, dimensions in local.service : "${role}-memory" => {
        text      = "Memory of the ${role} tasks above 85 %", namespace = "AWS/ECS", metric = "MemoryUtilization"
        statistic = "Average", above = 85, period = 60, of = 5, missing = "notBreaching", dimensions = dimensions
      }
    },
    {
      for index, node in var.watched.cache_cluster_ids : "redis-cpu-${index + 1}" => {
        text      = "Redis CPU above 75 %", namespace = "AWS/ElastiCache", metric = "EngineCPUUtilization"
        statistic = "Average", above = 75, period = 60, of = 5, missing = "notBreaching", dimensions = { CacheClusterId = node }
      }
    },
    {
      for index, node in var.watched.cache_cluster_ids : "redis-memory-${index + 1}" => {
        text      = "Redis memory above 90 %", namespace = "AWS/ElastiCache", metric = "DatabaseMemoryUsagePercentage"
        statistic = "Average", above = 90, period = 60, of = 5, missing = "notBreaching", dimensions = { CacheClusterId = node }
      }
    },
    {
      db-cpu = {
        text      = "Database CPU above 80 %", namespace = "AWS/RDS", metric = "CPUUtilization"
        statistic = "Average", above = 80, period = 60, of = 5, missing = "breaching", dimensions = { DBInstanceIdentifier = var.watched.db_instance_id }
      }
      naked-position = {
        text      = "A position has been without its stop for more than ${var.limits.naked_s} s", namespace = "TradingBot", metric = "NakedSeconds"
        statistic = "Maximum", above = var.limits.naked_s, period = 60, of = 1, missing = "notBreaching", dimensions = local.bot
      }
      order-rejections = {
        text      = "The exchange has rejected an order", namespace = "TradingBot", metric = "OrdersRejected"
        statistic = "Sum", above = 0, period = 300, of = 1, missing = "notBreaching", dimensions = local.bot
      }
      alerts-failed = {
        text      = "Alerts were taken in and could not be carried out", namespace = "TradingBot", metric = "AlertsFailed"
        statistic = "Sum", above = 0, period = 300, of = 1, missing = "notBreaching", dimensions = local.bot
      }
      spill-age = {
        text      = "An alert has waited in the spill queue for more than ${var.limits.spill_age_s} s", namespace = "AWS/SQS", metric = "ApproximateAgeOfOldestMessage"
        statistic = "Maximum", above = var.limits.spill_age_s, period = 60, of = 2, missing = "notBreaching", dimensions = { QueueName = var.watched.spill_queue_name }
      }
      dead-letters = {
        text      = "Alerts could not be read by the workers and lie in the dead-letter queue", namespace = "AWS/SQS", metric = "ApproximateNumberOfMessagesVisible"
        statistic = "Maximum", above = 0, period = 60, of = 1, missing = "notBreaching", dimensions = { QueueName = var.watched.dead_letter_name }
      }
    },
  )

  backup_hours = { for name, hours in { backup-missing = var.limits.backup_hours } : name => hours if hours > 0 }

  below_alarms = merge({
    for name, hours in local.backup_hours : name => {
      text      = "No backup was written and verified for ${hours} h", namespace = "TradingBot/Logs/${var.deployment}", metric = "BackupsWritten"
      statistic = "Sum", below = 1, period = 3600, of = hours, missing = "breaching", dimensions = {}
    }
    }, {
    db-storage = {
      text      = "Less than 2 GB of database storage left", namespace = "AWS/RDS", metric = "FreeStorageSpace"
      statistic = "Minimum", below = 2147483648, period = 300, of = 1, missing = "notBreaching", dimensions = { DBInstanceIdentifier = var.watched.db_instance_id }
    }
    worker-lease-lost = {
      text      = "No worker has looked after the accounts for 3 minutes", namespace = "TradingBot", metric = "WorkerHeartbeat"
      statistic = "Sum", below = 1, period = 60, of = 3, missing = "breaching", dimensions = local.bot
    }
    signal-silence = {
      text      = "No alert has come in for ${var.limits.silence_hours} h: is TradingView still sending?", namespace = "TradingBot", metric = "AlertsAccepted"
      statistic = "Sum", below = 1, period = var.limits.silence_hours * 3600, of = 1, missing = "breaching", dimensions = local.bot
    }
  })
}

resource "aws_cloudwatch_metric_alarm" "above" {
  for_each = local.metric_alarms

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.text
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = each.value.statistic
  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value.above
  period              = each.value.period
  evaluation_periods  = each.value.of
  treat_missing_data  = each.value.missing
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

resource "aws_cloudwatch_metric_alarm" "below" {
  for_each = local.below_alarms

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.text
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = each.value.statistic
  comparison_operator = "LessThanThreshold"
  threshold           = each.value.below
  period              = each.value.period
  evaluation_periods  = each.value.of
  treat_missing_data  = each.value.missing
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

# What the load balancer could not pass on, and what the application could not answer.
resource "aws_cloudwatch_metric_alarm" "server_errors" {
  alarm_name          = "${var.name}-alb-5xx"
  alarm_description   = "More than 10 requests in 5 minutes were answered with 5xx"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 10
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]

  metric_query {
    id          = "errors"
    expression  = "FILL(balancer, 0) + FILL(target, 0)"
    label       = "5xx"
    return_data = true
  }

  dynamic "metric_query" {
    for_each = { balancer = "HTTPCode_ELB_5XX_Count", target = "HTTPCode_Target_5XX_Count" }

    content {
      id = metric_query.key

      metric {
        namespace   = "AWS/ApplicationELB"
        metric_name = metric_query.value
        dimensions  = local.alb
        period      = 300
        stat        = "Sum"
      }
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "tasks_missing" {
  for_each = var.watched.service_names

  alarm_name          = "${var.name}-${each.key}-tasks"
  alarm_description   = "Fewer ${each.key} tasks run than should"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  evaluation_periods  = 5
  treat_missing_data  = "breaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]

  metric_query {
    id          = "missing"
    expression  = "desired - FILL(running, 0)"
    label       = "Tasks missing"
    return_data = true
  }

  dynamic "metric_query" {
    for_each = { desired = "DesiredTaskCount", running = "RunningTaskCount" }

    content {
      id = metric_query.key

      metric {
        namespace   = "ECS/ContainerInsights"
        metric_name = metric_query.value
        dimensions  = { ClusterName = var.watched.cluster_name, ServiceName = each.value }
        period      = 60
        stat        = "Average"
      }
    }
  }
}

resource "aws_cloudwatch_composite_alarm" "critical" {
  alarm_name        = "${var.name}-critical-health"
  alarm_description = "Positions may be unguarded or alerts lost: look now"
  alarm_actions     = [aws_sns_topic.alarms.arn]
  ok_actions        = [aws_sns_topic.alarms.arn]

  alarm_rule = join(" OR ", [for name in sort([
    aws_cloudwatch_metric_alarm.above["naked-position"].alarm_name,
    aws_cloudwatch_metric_alarm.above["dead-letters"].alarm_name,
    aws_cloudwatch_metric_alarm.below["worker-lease-lost"].alarm_name,
    aws_cloudwatch_metric_alarm.below["db-storage"].alarm_name,
    aws_cloudwatch_metric_alarm.server_errors.alarm_name,
    aws_cloudwatch_metric_alarm.tasks_missing["worker"].alarm_name,
  ]) : "ALARM(\"${name}\")"])
}
