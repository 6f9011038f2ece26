output "webhook_url" {
  description = "Put this into TradingView's alerts."
  value       = "${var.intake == "lambda" ? module.intake_lambda[0].api_endpoint : module.alb.url}/api/v1/webhooks/tradingview"
}

output "url" {
  description = "Where the API is."
  value       = module.alb.url
}

output "nat_public_ips" {
  description = "Every request to an exchange comes from these addresses: bind the exchange's keys to them."
  value       = module.vpc.nat_public_ips
}

output "dashboard_url" {
  description = "The dashboard in the console."
  value       = module.cloudwatch.dashboard_url
}

output "alarm_topic_arn" {
  description = "Topic of all alarms."
  value       = module.cloudwatch.alarm_topic_arn
}

output "ecr_repository_url" {
  description = "Where images are pushed to."
  value       = module.ecr.repository_url
}

output "cluster_name" {
  description = "For the deploy command."
  value       = module.ecs.cluster_name
}

output "image_parameter" {
  description = "SSM parameter that holds the image in force."
  value       = aws_ssm_parameter.image.name
}

output "deploy_role_arn" {
  description = "Role for GitHub's deploy jobs. Null without features.github_repository."
  value       = one(module.ci[*].deploy_role_arn)
}

output "backups_bucket" {
  description = "Where the daily backups lie, under backups/."
  value       = module.storage.backups_bucket
}

locals {
  run_task = join(" ", [
    "aws ecs run-task",
    "--region ${var.region}",
    "--cluster ${module.ecs.cluster_name}",
    "--launch-type FARGATE",
    "--network-configuration 'awsvpcConfiguration={subnets=[${join(",", module.vpc.private_subnet_ids)}],securityGroups=[${module.security_groups.worker_id}],assignPublicIp=DISABLED}'",
  ])
}

output "migrate_command" {
  description = "Brings the database's schema up to date in a task of its own."
  value       = "${local.run_task} --task-definition ${module.ecs.task_families["migrate"]}"
}

output "command_line" {
  description = "A function for the shell, eval \"$(terraform output -raw command_line)\": tradingbot_aws COMMAND runs a command of the bot in a task of its own."
  value = templatefile("${path.module}/command_line.sh.tftpl", {
    run_task = local.run_task
    region   = var.region
    cluster  = module.ecs.cluster_name
    family   = module.ecs.task_families["backup"]
    logs     = module.ecs.log_group_name
  })
}
