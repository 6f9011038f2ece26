# One page: is it trading, is it guarded, is what it stands on healthy, and the last errors.

locals {
  region = data.aws_region.current.name

  # Each row: title, metrics as [namespace, name, dimension, value …, {options}], statistic, unit on the axis.
  charts = [
    { title = "Alerts in 5 minutes", stat = "Sum", axis = "alerts", metrics = [
      for metric in ["AlertsAccepted", "AlertsRefused", "AlertsFailed"] : ["TradingBot", metric, "Deployment", var.deployment]
    ] },
    { title = "Orders in 5 minutes", stat = "Sum", axis = "orders", metrics = [
      for metric in ["OrdersSent", "OrdersRejected", "OrdersUnknown"] : ["TradingBot", metric, "Deployment", var.deployment]
    ] },
    { title = "Seconds without a stop", stat = "Maximum", axis = "seconds", metrics = [
      ["TradingBot", "NakedSeconds", "Deployment", var.deployment],
    ] },
    { title = "Equity", stat = "Average", axis = "USDT", metrics = [
      ["TradingBot", "EquityUsdt", "Deployment", var.deployment],
    ] },
    { title = "Positions and waiting alerts", stat = "Maximum", axis = "count", metrics = [
      for metric in ["OpenPositions", "BacklogAlerts", "SpillMessages"] : ["TradingBot", metric, "Deployment", var.deployment]
    ] },
    { title = "Workers that answer, age of prices", stat = "Maximum", axis = "count, seconds", metrics = [
      for metric in ["WorkerHeartbeat", "FeedAgeSeconds"] : ["TradingBot", metric, "Deployment", var.deployment]
    ] },
    { title = "From the log", stat = "Sum", axis = "lines", metrics = [
      for metric in ["LogErrors", "SignalsTaken", "OrdersFilled"] : ["TradingBot/Logs/${var.deployment}", metric]
    ] },
    { title = "Spill queue", stat = "Maximum", axis = "seconds, messages", metrics = [
      ["AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName", var.watched.spill_queue_name],
      ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", var.watched.dead_letter_name],
    ] },
    { title = "Requests", stat = "Sum", axis = "requests", metrics = [
      for metric in ["RequestCount", "HTTPCode_Target_2XX_Count", "HTTPCode_Target_4XX_Count", "HTTPCode_Target_5XX_Count", "HTTPCode_ELB_5XX_Count"] :
      ["AWS/ApplicationELB", metric, "LoadBalancer", var.watched.alb_arn_suffix]
    ] },
    { title = "Time to answer, 99 of 100", stat = "p99", axis = "seconds", metrics = [
      ["AWS/ApplicationELB", "TargetResponseTime", "LoadBalancer", var.watched.alb_arn_suffix, "TargetGroup", var.watched.target_group_arn_suffix],
    ] },
    { title = "Tasks: CPU", stat = "Average", axis = "%", metrics = [
      for service in values(var.watched.service_names) : ["AWS/ECS", "CPUUtilization", "ClusterName", var.watched.cluster_name, "ServiceName", service]
    ] },
    { title = "Tasks: memory", stat = "Average", axis = "%", metrics = [
      for service in values(var.watched.service_names) : ["AWS/ECS", "MemoryUtilization", "ClusterName", var.watched.cluster_name, "ServiceName", service]
    ] },
    { title = "Tasks running", stat = "Average", axis = "tasks", metrics = [
      for service in values(var.watched.service_names) : ["ECS/ContainerInsights", "RunningTaskCount", "ClusterName", var.watched.cluster_name, "ServiceName", service]
    ] },
    { title = "Database: CPU", stat = "Average", axis = "%", metrics = [
      ["AWS/RDS", "CPUUtilization", "DBInstanceIdentifier", var.watched.db_instance_id],
    ] },
    { title = "Database: free storage", stat = "Minimum", axis = "bytes", metrics = [
      ["AWS/RDS", "FreeStorageSpace", "DBInstanceIdentifier", var.watched.db_instance_id],
    ] },
    { title = "Database: connections, latency", stat = "Average", axis = "count, seconds", metrics = [
      for metric in ["DatabaseConnections", "ReadLatency", "WriteLatency"] : ["AWS/RDS", metric, "DBInstanceIdentifier", var.watched.db_instance_id]
    ] },
    { title = "Redis: CPU", stat = "Average", axis = "%", metrics = [
      for node in var.watched.cache_cluster_ids : ["AWS/ElastiCache", "EngineCPUUtilization", "CacheClusterId", node]
    ] },
    { title = "Redis: memory", stat = "Average", axis = "%", metrics = [
      for node in var.watched.cache_cluster_ids : ["AWS/ElastiCache", "DatabaseMemoryUsagePercentage", "CacheClusterId", node]
    ] },
  ]

  alarm_arns = concat(
    [aws_cloudwatch_composite_alarm.critical.arn, aws_cloudwatch_metric_alarm.server_errors.arn],
    values(aws_cloudwatch_metric_alarm.above)[*].arn,
    values(aws_cloudwatch_metric_alarm.below)[*].arn,
    values(aws_cloudwatch_metric_alarm.tasks_missing)[*].arn,
  )
}

resource "aws_cloudwatch_dashboard" "this" {
  dashboard_name = var.name

  dashboard_body = jsonencode({
    widgets = concat(
      [{
        type       = "alarm", x = 0, y = 0, width = 24, height = 3
        properties = { title = "Alarms", alarms = local.alarm_arns, sortBy = "stateUpdatedTimestamp" }
      }],
      [for index, chart in local.charts : {
        type = "metric", x = (index % 3) * 8, y = 3 + floor(index / 3) * 6, width = 8, height = 6
        properties = {
          title   = chart.title
          region  = local.region
          view    = "timeSeries"
          period  = 300
          stat    = chart.stat
          metrics = chart.metrics
          yAxis   = { left = { label = chart.axis, showUnits = false, min = chart.title == "Equity" ? null : 0 } }
        }
      }],
      [{
        type = "log", x = 0, y = 3 + ceil(length(local.charts) / 3) * 6, width = 24, height = 8
        properties = {
          title  = "Last 20 errors"
          region = local.region
          view   = "table"
          query  = "SOURCE '${var.watched.log_group_name}' | fields @timestamp, @logStream, event, alert_id | filter level = \"error\" | sort @timestamp desc | limit 20"
        }
      }],
    )
  })
}
