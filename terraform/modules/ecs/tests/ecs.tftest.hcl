mock_provider "aws" {
  override_during = plan

  mock_data "aws_region" {
    defaults = { name = "ap-southeast-2" }
  }

  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }

  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }

  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:ap-southeast-2:123456789012:log-group:/tradingbot/prod/tasks" }
  }

  mock_resource "aws_ecs_cluster" {
    defaults = {
      id  = "arn:aws:ecs:ap-southeast-2:123456789012:cluster/tradingbot-prod"
      arn = "arn:aws:ecs:ap-southeast-2:123456789012:cluster/tradingbot-prod"
    }
  }

  mock_resource "aws_ecs_task_definition" {
    defaults = {
      arn                  = "arn:aws:ecs:ap-southeast-2:123456789012:task-definition/family:7"
      arn_without_revision = "arn:aws:ecs:ap-southeast-2:123456789012:task-definition/family"
    }
  }

  mock_resource "aws_ecs_service" {
    defaults = { id = "arn:aws:ecs:ap-southeast-2:123456789012:service/tradingbot-prod/service" }
  }

  mock_resource "aws_sqs_queue" {
    defaults = { arn = "arn:aws:sqs:ap-southeast-2:123456789012:tradingbot-prod-backup-unstarted" }
  }

  mock_resource "aws_service_discovery_service" {
    defaults = { arn = "arn:aws:servicediscovery:ap-southeast-2:123456789012:service/srv-0" }
  }

  override_resource {
    target = aws_iam_role.execution
    values = { arn = "arn:aws:iam::123456789012:role/tradingbot-prod-execution" }
  }

  override_resource {
    target = aws_iam_role.task
    values = { arn = "arn:aws:iam::123456789012:role/tradingbot-prod-task" }
  }

  override_resource {
    target = aws_iam_role.backup
    values = { arn = "arn:aws:iam::123456789012:role/tradingbot-prod-backup" }
  }

  override_resource {
    target = aws_iam_role.scheduler
    values = { arn = "arn:aws:iam::123456789012:role/tradingbot-prod-scheduler" }
  }
}

variables {
  name  = "tradingbot-prod"
  image = "123456789012.dkr.ecr.ap-southeast-2.amazonaws.com/tradingbot-prod@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

  network = {
    vpc_id                   = "vpc-0"
    subnet_ids               = ["subnet-a", "subnet-b"]
    api_security_group_id    = "sg-api"
    worker_security_group_id = "sg-worker"
    venue_security_group_id  = "sg-venue"
  }

  load_balancer = {
    target_group_arn        = "arn:aws:elasticloadbalancing:ap-southeast-2:123456789012:targetgroup/api/0"
    arn_suffix              = "app/bot/0"
    target_group_arn_suffix = "targetgroup/api/0"
  }

  environment = { TRADING_MODE = "live", RISK_PER_TRADE = "0.005" }

  secrets = {
    API_TOKEN         = { arn = "arn:aws:secretsmanager:ap-southeast-2:123456789012:secret:tradingbot/prod/API_TOKEN-a" }
    DATABASE_PASSWORD = { arn = "arn:aws:secretsmanager:ap-southeast-2:123456789012:secret:rds!db-0-b", key = "password" }
  }

  strategies_secret_arn = "arn:aws:secretsmanager:ap-southeast-2:123456789012:secret:tradingbot/prod/STRATEGIES-c"
  kms_key_arn           = "arn:aws:kms:ap-southeast-2:123456789012:key/0"

  access = {
    repository_arn  = "arn:aws:ecr:ap-southeast-2:123456789012:repository/tradingbot-prod"
    spill_queue_arn = "arn:aws:sqs:ap-southeast-2:123456789012:tradingbot-prod-spill.fifo"
    backups_bucket  = "arn:aws:s3:::tradingbot-prod-backups"
    backups_prefix  = "backups"
    cache_arns      = ["arn:aws:elasticache:ap-southeast-2:123456789012:replicationgroup:bot", "arn:aws:elasticache:ap-southeast-2:123456789012:user:bot"]
  }

  alarm_topic_arn   = "arn:aws:sns:ap-southeast-2:123456789012:tradingbot-prod-alarms"
  deployment_alarms = { api = ["tradingbot-prod-alb-5xx"], worker = ["tradingbot-prod-worker-lease-lost"] }
}

run "live" {
  command = plan

  assert {
    condition     = toset(keys(aws_ecs_task_definition.this)) == toset(["api", "worker", "migrate", "backup"]) && length(aws_ecs_service.venue) == 0
    error_message = "Without the paper exchange there are two services and two one-off tasks."
  }

  # --- containers ---
  assert {
    condition = alltrue([for task in aws_ecs_task_definition.this : alltrue([for c in jsondecode(task.container_definitions) :
      c.readonlyRootFilesystem && c.user == "10001:10001" && c.stopTimeout == 120 && c.linuxParameters.initProcessEnabled && c.linuxParameters.capabilities.drop == ["ALL"]
    ])])
    error_message = "Every container: read-only root, not root, an init, no capability, two minutes to stop."
  }

  assert {
    condition     = alltrue([for task in aws_ecs_task_definition.this : jsondecode(task.container_definitions)[0].image == var.image])
    error_message = "All tasks run one image, by digest."
  }

  assert {
    condition     = alltrue([for task in aws_ecs_task_definition.this : toset(jsondecode(task.container_definitions)[0].mountPoints[*].containerPath) == toset(["/var/lib/tradingbot", "/tmp"])])
    error_message = "State and temporary files can be written, nothing else."
  }

  assert {
    condition = (
      jsondecode(aws_ecs_task_definition.this["api"].container_definitions)[0].command == ["serve", "--role", "api", "--no-migrate"] &&
      jsondecode(aws_ecs_task_definition.this["worker"].container_definitions)[0].command == ["serve", "--role", "worker", "--no-migrate"] &&
      jsondecode(aws_ecs_task_definition.this["migrate"].container_definitions)[0].command == ["migrate"] &&
      jsondecode(aws_ecs_task_definition.this["backup"].container_definitions)[0].command == ["backup"]
    )
    error_message = "One image, a command for each kind of task."
  }

  assert {
    condition     = alltrue([for role in ["api", "worker"] : jsondecode(aws_ecs_task_definition.this[role].container_definitions)[0].healthCheck.command == ["CMD", "tradingbot", "health"]])
    error_message = "Services are asked for their health inside too."
  }

  assert {
    condition     = alltrue([for task in aws_ecs_task_definition.this : jsondecode(task.container_definitions)[0].logConfiguration.options["mode"] == "non-blocking"])
    error_message = "A slow log must not stop the bot."
  }

  assert {
    condition     = aws_ecs_task_definition.this["api"].track_latest && aws_ecs_task_definition.this["api"].skip_destroy
    error_message = "The deploy command registers revisions too, and a roll-back needs the old ones."
  }

  # --- secrets ---
  assert {
    condition = tomap({ for s in jsondecode(aws_ecs_task_definition.this["api"].container_definitions)[0].secrets : s.name => s.valueFrom }) == tomap({
      API_TOKEN         = "arn:aws:secretsmanager:ap-southeast-2:123456789012:secret:tradingbot/prod/API_TOKEN-a"
      DATABASE_PASSWORD = "arn:aws:secretsmanager:ap-southeast-2:123456789012:secret:rds!db-0-b:password::"
    })
    error_message = "Secrets are injected by ARN, a JSON one by its key."
  }

  assert {
    condition     = one([for e in jsondecode(aws_ecs_task_definition.this["worker"].container_definitions)[0].environment : e.value if e.name == "SECRETS_FROM_AWS"]) == "API_TOKEN=arn:aws:secretsmanager:ap-southeast-2:123456789012:secret:tradingbot/prod/API_TOKEN-a,DATABASE_PASSWORD=arn:aws:secretsmanager:ap-southeast-2:123456789012:secret:rds!db-0-b#password"
    error_message = "Tasks know where to look for rotated secrets."
  }

  assert {
    condition     = alltrue([for role in ["migrate", "backup"] : !contains(jsondecode(aws_ecs_task_definition.this[role].container_definitions)[0].environment[*].name, "SECRETS_FROM_AWS")])
    error_message = "One-off tasks use what they were started with."
  }

  # --- roles ---
  assert {
    condition     = aws_ecs_task_definition.this["migrate"].task_role_arn == null && aws_ecs_task_definition.this["backup"].task_role_arn == aws_iam_role.backup.arn && aws_ecs_task_definition.this["api"].task_role_arn == aws_iam_role.task.arn
    error_message = "Migrations may do nothing in AWS, backups only back up."
  }

  assert {
    condition     = alltrue([for s in jsondecode(aws_iam_role_policy.task.policy).Statement : !strcontains(jsonencode(s.Resource), "*") || s.Action == "secretsmanager:BatchGetSecretValue"])
    error_message = "The bot's own rights name single things."
  }

  assert {
    condition     = !strcontains(aws_iam_role_policy.task.policy, "s3:") && !strcontains(aws_iam_role_policy.backup.policy, "s3:Delete")
    error_message = "What faces the internet sees no backups, and nobody can delete one."
  }

  assert {
    condition     = one([for s in jsondecode(aws_iam_role_policy.task.policy).Statement : s.Resource if s.Sid == "SignInToCache"]) == [for arn in var.access.cache_arns : arn]
    error_message = "The cache is signed in to as one user of one group."
  }

  assert {
    condition     = one([for s in jsondecode(aws_iam_role_policy.scheduler.policy).Statement : s.Resource if s.Sid == "PassRoles"]) == [aws_iam_role.backup.arn, aws_iam_role.execution.arn]
    error_message = "The schedule passes the backup's two roles and no other."
  }

  assert {
    condition     = length(aws_iam_role_policy.shell) == 0 && aws_ecs_service.api.enable_execute_command == false && aws_ecs_service.worker.enable_execute_command == false
    error_message = "No shell unless asked for."
  }

  # --- services ---
  assert {
    condition     = aws_ecs_service.worker.launch_type == "FARGATE" && aws_ecs_service.worker.desired_count == 2 && length(aws_ecs_service.worker.capacity_provider_strategy) == 0
    error_message = "Two workers, never on spare capacity."
  }

  assert {
    condition     = alltrue([for service in [aws_ecs_service.api, aws_ecs_service.worker] : one(service.deployment_circuit_breaker).rollback && one(service.alarms).rollback && service.deployment_minimum_healthy_percent == 100])
    error_message = "A bad deployment goes back, and the old tasks stay until the new ones are healthy."
  }

  assert {
    condition     = one(aws_ecs_service.api.alarms).alarm_names == toset(["tradingbot-prod-alb-5xx"]) && one(aws_ecs_service.worker.alarms).alarm_names == toset(["tradingbot-prod-worker-lease-lost"])
    error_message = "Each service watches its own alarms."
  }

  assert {
    condition     = one(aws_ecs_service.api.network_configuration).assign_public_ip == false && one(aws_ecs_service.worker.network_configuration).security_groups == toset(["sg-worker"])
    error_message = "Tasks are private, each kind in its own group."
  }

  # --- scaling ---
  assert {
    condition     = aws_appautoscaling_target.api.min_capacity == 2 && aws_appautoscaling_target.api.max_capacity == 10
    error_message = "Two to ten api tasks."
  }

  assert {
    condition     = { for name, policy in aws_appautoscaling_policy.api : name => policy.target_tracking_scaling_policy_configuration[0].target_value } == { cpu = 70, memory = 80, requests = 600 }
    error_message = "CPU 70 %, memory 80 %, 600 requests a minute."
  }

  assert {
    condition     = alltrue([for policy in aws_appautoscaling_policy.api : policy.target_tracking_scaling_policy_configuration[0].scale_out_cooldown == 60 && policy.target_tracking_scaling_policy_configuration[0].scale_in_cooldown == 300])
    error_message = "Out fast, in slowly."
  }

  # --- cluster, log, backup ---
  assert {
    condition     = one(aws_ecs_cluster.this.setting).value == "enabled" && aws_cloudwatch_log_group.tasks.kms_key_id == var.kms_key_arn && aws_cloudwatch_log_group.tasks.name == "/tradingbot/prod/tasks"
    error_message = "Container Insights, and an encrypted log."
  }

  assert {
    condition     = aws_scheduler_schedule.backup.schedule_expression == "cron(30 2 * * ? *)" && aws_scheduler_schedule.backup.target[0].ecs_parameters[0].task_definition_arn == "arn:aws:ecs:ap-southeast-2:123456789012:task-definition/tradingbot-prod-backup"
    error_message = "A backup a day, with the newest revision, before the database's own window."
  }

  assert {
    condition     = aws_scheduler_schedule.backup.target[0].dead_letter_config[0].arn == "arn:aws:sqs:ap-southeast-2:123456789012:tradingbot-prod-backup-unstarted" && aws_sqs_queue.unstarted.name == "tradingbot-prod-backup-unstarted" && aws_sqs_queue.unstarted.kms_master_key_id == var.kms_key_arn
    error_message = "A backup that could not be started leaves no trace."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.unstarted.dimensions["QueueName"] == aws_sqs_queue.unstarted.name && aws_cloudwatch_metric_alarm.unstarted.threshold == 0 && aws_cloudwatch_metric_alarm.unstarted.alarm_actions == toset([var.alarm_topic_arn])
    error_message = "Nobody hears of a backup that could not be started."
  }

  assert {
    condition = one([for s in jsondecode(aws_iam_role_policy.scheduler.policy).Statement : s.Resource if s.Sid == "TellWhatDidNotStart"]) == aws_sqs_queue.unstarted.arn && contains(
      one([for s in jsondecode(aws_iam_role_policy.scheduler.policy).Statement : s.Action if s.Sid == "EncryptWhatIsTold"]), "kms:GenerateDataKey"
    )
    error_message = "The schedule cannot write into its queue."
  }
}

run "paper_with_shell_on_spare_arm" {
  command = plan

  variables {
    environment = { TRADING_MODE = "paper" }
    options     = { venue = true, exec = true, spot = true, arm64 = true, log_retention_days = 30 }
  }

  assert {
    condition     = aws_ecs_service.venue[0].desired_count == 1 && aws_ecs_service.venue[0].deployment_maximum_percent == 100 && aws_ecs_service.venue[0].launch_type == "FARGATE"
    error_message = "One paper exchange, never two at a time."
  }

  assert {
    condition = (
      jsondecode(aws_ecs_task_definition.this["venue"].container_definitions)[0].command == ["venue", "--host", "0.0.0.0"] &&
      length(jsondecode(aws_ecs_task_definition.this["venue"].container_definitions)[0].secrets) == 0 &&
      aws_ecs_task_definition.this["venue"].task_role_arn == null
    )
    error_message = "The paper exchange needs no secret and no right."
  }

  assert {
    condition     = alltrue([for role in ["api", "worker"] : contains(jsondecode(aws_ecs_task_definition.this[role].container_definitions)[0].environment, { name = "BINANCE_BASE_URL", value = "http://venue.tradingbot-prod.internal:8002" })])
    error_message = "Api and worker find it by its private name."
  }

  assert {
    condition     = aws_service_discovery_private_dns_namespace.this[0].name == "tradingbot-prod.internal" && aws_service_discovery_service.venue[0].name == "venue"
    error_message = "The name is in the private zone."
  }

  assert {
    condition     = output.service_names == { api = "tradingbot-prod-api", venue = "tradingbot-prod-venue", worker = "tradingbot-prod-worker" }
    error_message = "Three services."
  }

  assert {
    condition     = toset(jsondecode(aws_ecs_task_definition.this["worker"].container_definitions)[0].mountPoints[*].containerPath) == toset(["/var/lib/tradingbot", "/tmp", "/managed-agents", "/var/lib/amazon/ssm", "/var/log/amazon/ssm"])
    error_message = "A shell's agent writes to three more places."
  }

  assert {
    condition     = length(aws_iam_role_policy.shell) == 1 && aws_ecs_service.worker.enable_execute_command
    error_message = "A shell may be opened."
  }

  assert {
    condition     = toset(aws_ecs_service.api.capacity_provider_strategy[*].capacity_provider) == toset(["FARGATE", "FARGATE_SPOT"]) && one([for s in aws_ecs_service.api.capacity_provider_strategy : s.base if s.capacity_provider == "FARGATE"]) == 2 && aws_ecs_service.worker.launch_type == "FARGATE"
    error_message = "Spare capacity takes api tasks above two, and no worker."
  }

  assert {
    condition     = aws_ecs_service.api.force_new_deployment
    error_message = "The provider would destroy the api service to change where its tasks run."
  }

  assert {
    condition     = alltrue([for task in aws_ecs_task_definition.this : one(task.runtime_platform).cpu_architecture == "ARM64"])
    error_message = "Graviton for all."
  }
}

run "larger" {
  command = plan

  variables {
    sizes = { api_min = 4 }
  }

  assert {
    condition     = aws_appautoscaling_target.api.min_capacity == 4 && one(aws_ecs_service.api.capacity_provider_strategy).base == 2
    error_message = "A change of size is no change of strategy."
  }
}

run "refuses" {
  command = plan

  variables {
    name                  = "-"
    image                 = "tradingbot:latest"
    sizes                 = { api_cpu = 300, api_memory = 1024 }
    network               = { vpc_id = "vpc-0", subnet_ids = [], api_security_group_id = "sg", worker_security_group_id = "sg", venue_security_group_id = "sg" }
    load_balancer         = { target_group_arn = "api", arn_suffix = "", target_group_arn_suffix = "" }
    environment           = { "risk per trade" = "1" }
    secrets               = { API_TOKEN = { arn = "the token itself" } }
    strategies_secret_arn = "strategies.yaml"
    access                = { repository_arn = "*", spill_queue_arn = "arn:aws:sqs:::q", backups_bucket = "arn:aws:s3:::b", backups_prefix = "backups", cache_arns = [] }
    kms_key_arn           = "alias/aws/s3"
    options               = { log_retention_days = 42 }
    alarm_topic_arn       = "alarms"
    deployment_alarms     = { api = [for n in range(101) : "alarm-${n}"], worker = [] }
  }

  expect_failures = [
    var.name, var.image, var.sizes, var.network, var.load_balancer, var.environment, var.secrets, var.strategies_secret_arn,
    var.access, var.kms_key_arn, var.options, var.alarm_topic_arn, var.deployment_alarms,
  ]
}

run "refuses_memory_own_settings_folder_and_schedule" {
  command = plan

  variables {
    sizes       = { worker_cpu = 1024, worker_memory = 1024 }
    environment = { PORT = "80" }
    access      = { repository_arn = "arn:aws:ecr:::r", spill_queue_arn = "arn:aws:sqs:::q", backups_bucket = "arn:aws:s3:::b", backups_prefix = "/", cache_arns = [] }
    options     = { backup_schedule = "daily" }
  }

  expect_failures = [var.sizes, var.environment, var.access, var.options]
}

run "refuses_a_secret_in_plain" {
  command = plan

  variables {
    environment = { TRADING_MODE = "live", API_TOKEN = "plain" }
  }

  expect_failures = [var.environment]
}

run "refuses_more_at_least_than_at_most" {
  command = plan

  variables {
    sizes = { api_min = 5, api_max = 4 }
  }

  expect_failures = [var.sizes]
}

run "refuses_a_single_worker" {
  command = plan

  variables {
    sizes = { worker_count = 1 }
  }

  expect_failures = [var.sizes]
}
