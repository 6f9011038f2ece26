mock_provider "aws" {
  override_during = plan

  mock_data "aws_region" {
    defaults = { name = "ap-southeast-2" }
  }

  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }

  mock_resource "aws_sns_topic" {
    defaults = { arn = "arn:aws:sns:ap-southeast-2:123456789012:tradingbot-prod-alarms" }
  }

  mock_resource "aws_cloudwatch_event_rule" {
    defaults = { arn = "arn:aws:events:ap-southeast-2:123456789012:rule/tradingbot-prod-failed-task" }
  }

  mock_resource "aws_cloudwatch_metric_alarm" {
    defaults = { arn = "arn:aws:cloudwatch:ap-southeast-2:123456789012:alarm:some" }
  }

  mock_resource "aws_cloudwatch_composite_alarm" {
    defaults = { arn = "arn:aws:cloudwatch:ap-southeast-2:123456789012:alarm:critical" }
  }
}

variables {
  name        = "tradingbot-prod"
  deployment  = "prod"
  alarm_email = "ops@example.com"
  kms_key_arn = "arn:aws:kms:ap-southeast-2:123456789012:key/0"
  budget_usd  = 600

  watched = {
    cluster_name            = "tradingbot-prod"
    service_names           = { api = "tradingbot-prod-api", worker = "tradingbot-prod-worker" }
    alb_arn_suffix          = "app/bot/0"
    target_group_arn_suffix = "targetgroup/api/0"
    db_instance_id          = "tradingbot-prod"
    cache_cluster_ids       = ["tradingbot-prod-001", "tradingbot-prod-002"]
    spill_queue_name        = "tradingbot-prod-spill.fifo"
    dead_letter_name        = "tradingbot-prod-spill-dead.fifo"
    log_group_name          = "/tradingbot/prod/tasks"
  }
}

run "watches" {
  command = plan

  # --- the eight of the design ---
  assert {
    condition = alltrue([for role in ["api", "worker"] :
      aws_cloudwatch_metric_alarm.above["${role}-cpu"].threshold == 80 && aws_cloudwatch_metric_alarm.above["${role}-memory"].threshold == 85 &&
      aws_cloudwatch_metric_alarm.above["${role}-cpu"].dimensions.ServiceName == "tradingbot-prod-${role}"
    ])
    error_message = "Tasks: CPU above 80 %, memory above 85 %."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.server_errors.threshold == 10 && toset([for q in aws_cloudwatch_metric_alarm.server_errors.metric_query : q.metric[0].period if length(q.metric) > 0]) == toset([300])
    error_message = "More than 10 answers of 5xx in 5 minutes."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.above["db-cpu"].threshold == 80 && aws_cloudwatch_metric_alarm.below["db-storage"].threshold == 2 * 1024 * 1024 * 1024
    error_message = "Database: CPU above 80 %, less than 2 GB left."
  }

  assert {
    condition = alltrue([for node in [1, 2] :
      aws_cloudwatch_metric_alarm.above["redis-cpu-${node}"].threshold == 75 && aws_cloudwatch_metric_alarm.above["redis-memory-${node}"].threshold == 90 &&
      aws_cloudwatch_metric_alarm.above["redis-cpu-${node}"].dimensions.CacheClusterId == "tradingbot-prod-00${node}"
    ])
    error_message = "Every node of Redis: CPU above 75 %, memory above 90 %."
  }

  assert {
    condition     = alltrue([for role in ["api", "worker"] : one([for q in aws_cloudwatch_metric_alarm.tasks_missing[role].metric_query : q.expression if q.return_data == true]) == "desired - FILL(running, 0)"])
    error_message = "Fewer tasks than desired."
  }

  # --- trading ---
  assert {
    condition     = aws_cloudwatch_metric_alarm.above["naked-position"].metric_name == "NakedSeconds" && aws_cloudwatch_metric_alarm.above["naked-position"].threshold == 5 && aws_cloudwatch_metric_alarm.above["naked-position"].statistic == "Maximum"
    error_message = "No position is without its stop for more than 5 s."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.below["worker-lease-lost"].treat_missing_data == "breaching" && aws_cloudwatch_metric_alarm.below["worker-lease-lost"].period * aws_cloudwatch_metric_alarm.below["worker-lease-lost"].evaluation_periods == 180
    error_message = "Workers that say nothing for 3 minutes are down."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.below["signal-silence"].period == 86400 && aws_cloudwatch_metric_alarm.below["signal-silence"].treat_missing_data == "breaching" && aws_cloudwatch_metric_alarm.below["signal-silence"].dimensions == tomap({ Deployment = "prod" })
    error_message = "A day without an alert is worth a look."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.above["order-rejections"].metric_name == "OrdersRejected" && aws_cloudwatch_metric_alarm.above["dead-letters"].threshold == 0 && aws_cloudwatch_metric_alarm.above["spill-age"].threshold == 60
    error_message = "Rejected orders, unreadable alerts and waiting alerts are told."
  }

  # --- who is told ---
  assert {
    condition = alltrue([for alarm in concat(values(aws_cloudwatch_metric_alarm.above), values(aws_cloudwatch_metric_alarm.below), values(aws_cloudwatch_metric_alarm.tasks_missing), [aws_cloudwatch_metric_alarm.server_errors]) :
      alarm.alarm_actions == toset([aws_sns_topic.alarms.arn]) && alarm.ok_actions == toset([aws_sns_topic.alarms.arn]) && length(alarm.alarm_description) > 10
    ])
    error_message = "Every alarm tells the topic when it begins and when it ends, and says what it means."
  }

  assert {
    condition     = aws_cloudwatch_composite_alarm.critical.alarm_actions == toset([aws_sns_topic.alarms.arn]) && alltrue([for name in ["naked-position", "worker-lease-lost", "worker-tasks", "dead-letters", "db-storage", "alb-5xx"] : strcontains(aws_cloudwatch_composite_alarm.critical.alarm_rule, "ALARM(\"tradingbot-prod-${name}\")")])
    error_message = "Critical health: positions unguarded or alerts lost."
  }

  assert {
    condition     = aws_sns_topic.alarms.kms_master_key_id == var.kms_key_arn && aws_sns_topic_subscription.email[0].endpoint == "ops@example.com"
    error_message = "The topic is encrypted and somebody listens."
  }

  assert {
    condition     = alltrue([for s in jsondecode(aws_sns_topic_policy.alarms.policy).Statement : s.Action == "sns:Publish" && length(s.Condition) == 1])
    error_message = "Only this account's services publish."
  }

  assert {
    condition     = one([for n in aws_budgets_budget.month[0].notification : n.threshold if n.notification_type == "ACTUAL"]) == 80 && aws_budgets_budget.month[0].limit_amount == "600.0"
    error_message = "The budget speaks at 80 %."
  }

  assert {
    condition     = jsondecode(aws_cloudwatch_event_rule.failed_task.event_pattern).detail.group == ["family:tradingbot-prod-migrate", "family:tradingbot-prod-backup"]
    error_message = "A backup that fails is told."
  }

  assert {
    condition = jsondecode(aws_cloudwatch_event_rule.failed_task.event_pattern).detail["$or"] == [
      { containers = { exitCode = [{ anything-but = [0] }] } },
      { containers = { exitCode = [{ exists = false }] } },
      { stopCode = [{ anything-but = ["EssentialContainerExited"] }] },
    ]
    error_message = "A task that ended with an error, or never ran, is told."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.below["backup-missing"].metric_name == "BackupsWritten" && aws_cloudwatch_metric_alarm.below["backup-missing"].namespace == "TradingBot/Logs/prod" && aws_cloudwatch_metric_alarm.below["backup-missing"].period * aws_cloudwatch_metric_alarm.below["backup-missing"].evaluation_periods == 26 * 3600 && aws_cloudwatch_metric_alarm.below["backup-missing"].treat_missing_data == "breaching"
    error_message = "A backup that nobody started is told, after 26 hours."
  }

  # --- what one looks at ---
  assert {
    condition     = { for name, filter in aws_cloudwatch_log_metric_filter.this : name => filter.pattern } == { BackupsWritten = "{ ($.event = \"backup written\") && ($.sound IS TRUE) }", LogErrors = "{ $.level = \"error\" }", SignalsTaken = "{ $.event = \"alert taken\" }", OrdersFilled = "{ $.event = \"alert finished\" && $.state = \"filled\" }" }
    error_message = "Errors, signals and orders are counted from the log."
  }

  assert {
    condition     = alltrue([for q in aws_cloudwatch_query_definition.this : q.log_group_names == tolist(["/tradingbot/prod/tasks"])]) && length(aws_cloudwatch_query_definition.this) >= 5
    error_message = "Questions to the log are kept."
  }

  assert {
    condition     = alltrue([for word in ["AWS/ECS", "AWS/ApplicationELB", "AWS/RDS", "AWS/ElastiCache", "AWS/SQS", "NakedSeconds", "EquityUsdt", "limit 20"] : strcontains(aws_cloudwatch_dashboard.this.dashboard_body, word)])
    error_message = "The dashboard shows tasks, load balancer, database, cache, queue, trading and the last 20 errors."
  }

  assert {
    condition     = alltrue([for w in jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets : w.x + w.width <= 24 && w.height > 0])
    error_message = "A dashboard is 24 columns wide."
  }

  assert {
    condition     = output.deployment_alarm_names == { api = ["tradingbot-prod-alb-5xx"], worker = ["tradingbot-prod-naked-position", "tradingbot-prod-worker-lease-lost"] } && length(output.alarm_names) == 22
    error_message = "Which alarms roll a deployment back."
  }
}

run "quiet" {
  command = plan

  variables {
    alarm_email = null
    budget_usd  = null
    limits      = { silence_hours = 4, naked_s = 10, backup_hours = 0 }
  }

  assert {
    condition     = length(aws_sns_topic_subscription.email) == 0 && length(aws_budgets_budget.month) == 0
    error_message = "Nobody is written to, and no budget is kept."
  }

  assert {
    condition     = !contains(keys(aws_cloudwatch_metric_alarm.below), "backup-missing")
    error_message = "Where no backup is made, none is missed."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.below["signal-silence"].period == 14400 && aws_cloudwatch_metric_alarm.above["naked-position"].threshold == 10
    error_message = "Limits can be set."
  }
}

run "refuses" {
  command = plan

  variables {
    name        = "A"
    deployment  = "Prod"
    alarm_email = "nobody"
    kms_key_arn = "alias/aws/sns"
    limits      = { silence_hours = 48 }
    budget_usd  = 0
    watched = {
      cluster_name     = "c", service_names = { api = "a" }, alb_arn_suffix = "a", target_group_arn_suffix = "t", db_instance_id = "d", cache_cluster_ids = ["c"]
      spill_queue_name = "q", dead_letter_name = "d", log_group_name = "l"
    }
  }

  expect_failures = [var.name, var.deployment, var.alarm_email, var.kms_key_arn, var.limits, var.budget_usd, var.watched]
}

run "refuses_no_cache_and_long_nakedness" {
  command = plan

  variables {
    limits = { naked_s = 600 }
    watched = {
      cluster_name     = "c", service_names = { api = "a", worker = "w" }, alb_arn_suffix = "a", target_group_arn_suffix = "t", db_instance_id = "d", cache_cluster_ids = []
      spill_queue_name = "q", dead_letter_name = "d", log_group_name = "l"
    }
  }

  expect_failures = [var.limits, var.watched]
}

run "refuses_patience_with_the_queue" {
  command = plan

  variables {
    limits = { spill_age_s = 1 }
  }

  expect_failures = [var.limits]
}

run "refuses_no_look_back" {
  command = plan

  variables {
    limits = { backup_hours = 200 }
  }

  expect_failures = [var.limits]
}
