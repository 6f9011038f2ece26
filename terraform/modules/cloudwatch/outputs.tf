output "alarm_topic_arn" {
  description = "Topic that every alarm, failed one-off task and budget reports to."
  value       = aws_sns_topic.alarms.arn
}

output "dashboard_url" {
  description = "The dashboard in the console."
  value       = "https://${local.region}.console.aws.amazon.com/cloudwatch/home?region=${local.region}#dashboards:name=${aws_cloudwatch_dashboard.this.dashboard_name}"
}

output "alarm_names" {
  description = "Names of all alarms."
  value = sort(concat(
    [aws_cloudwatch_composite_alarm.critical.alarm_name, aws_cloudwatch_metric_alarm.server_errors.alarm_name],
    values(aws_cloudwatch_metric_alarm.above)[*].alarm_name,
    values(aws_cloudwatch_metric_alarm.below)[*].alarm_name,
    values(aws_cloudwatch_metric_alarm.tasks_missing)[*].alarm_name,
  ))
}

output "deployment_alarm_names" {
  description = "Alarms that roll a deployment back, by service."
  value = {
    api    = [aws_cloudwatch_metric_alarm.server_errors.alarm_name]
    worker = [aws_cloudwatch_metric_alarm.above["naked-position"].alarm_name, aws_cloudwatch_metric_alarm.below["worker-lease-lost"].alarm_name]
  }
}
