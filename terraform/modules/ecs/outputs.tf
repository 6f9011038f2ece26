output "cluster_name" {
  description = "Name of the cluster."
  value       = aws_ecs_cluster.this.name
}

output "cluster_arn" {
  description = "ARN of the cluster."
  value       = aws_ecs_cluster.this.arn
}

output "service_names" {
  description = "Names of the services: api, worker and, in paper mode, venue."
  value       = { for role in local.services : role => "${var.name}-${role}" }
}

output "service_arns" {
  description = "ARNs of the services."
  value       = concat([aws_ecs_service.api.id, aws_ecs_service.worker.id], aws_ecs_service.venue[*].id)
}

output "task_families" {
  description = "Families of task definitions, by role."
  value       = { for role, task in aws_ecs_task_definition.this : role => task.family }
}

output "task_definition_arns" {
  description = "Task definitions, by role, with their revision."
  value       = { for role, task in aws_ecs_task_definition.this : role => task.arn }
}

output "family_arns" {
  description = "Task definitions without a revision."
  value       = values(local.family_arns)
}

output "task_role_arn" {
  description = "Role of api and worker."
  value       = aws_iam_role.task.arn
}

output "execution_role_arn" {
  description = "Role that starts tasks."
  value       = aws_iam_role.execution.arn
}

output "pass_role_arns" {
  description = "Every role a task may be started with."
  value       = [aws_iam_role.execution.arn, aws_iam_role.task.arn, aws_iam_role.backup.arn]
}

output "log_group_name" {
  description = "Log of all tasks."
  value       = aws_cloudwatch_log_group.tasks.name
}
