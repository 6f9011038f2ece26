output "kms_key_arn" {
  description = "ARN of the environment's KMS key."
  value       = aws_kms_key.this.arn
}

output "secret_arns" {
  description = "ARN of each secret by its name, without STRATEGIES. Usable once the secret has a value."
  value       = { for name in local.names : name => aws_secretsmanager_secret.this[name].arn }

  # A task that reads a secret without a value cannot start.
  depends_on = [aws_secretsmanager_secret_version.this]
}

output "strategies_secret_arn" {
  description = "ARN of the secret that holds the text of strategies.yaml."
  value       = aws_secretsmanager_secret.this["STRATEGIES"].arn

  depends_on = [aws_secretsmanager_secret_version.this]
}
