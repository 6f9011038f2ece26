output "deploy_role_arn" {
  description = "Role for the workflow: the variable AWS_DEPLOY_ROLE of the GitHub environment."
  value       = aws_iam_role.deploy.arn
}
