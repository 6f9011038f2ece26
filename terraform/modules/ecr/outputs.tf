output "repository_url" {
  description = "Address to push to and pull from, without tag or digest."
  value       = aws_ecr_repository.this.repository_url

  depends_on = [aws_ecr_repository_policy.lambda]
}

output "repository_arn" {
  description = "ARN of the repository."
  value       = aws_ecr_repository.this.arn
}

output "repository_name" {
  description = "Name of the repository."
  value       = aws_ecr_repository.this.name
}
