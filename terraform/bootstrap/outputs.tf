output "state_bucket" {
  description = "Bucket of the states."
  value       = aws_s3_bucket.state.id
}

output "lock_table" {
  description = "Lock table, null without one."
  value       = one(aws_dynamodb_table.lock[*].name)
}

output "kms_key_arn" {
  description = "Key that encrypts the states; who runs Terraform needs it."
  value       = aws_kms_key.state.arn
}

output "backend_config" {
  description = "Text of dev.hcl and so on for `terraform init -backend-config=dev.hcl`, by environment."
  value = {
    for environment in ["dev", "staging", "prod"] : environment => join("\n", concat(
      [
        "bucket         = \"${local.bucket}\"",
        "key            = \"${var.project}/${environment}/terraform.tfstate\"",
        "region         = \"${var.region}\"",
        "encrypt        = true",
        "kms_key_id     = \"${aws_kms_key.state.arn}\"",
        "use_lockfile   = true",
      ],
      [for table in aws_dynamodb_table.lock : "dynamodb_table = \"${table.name}\""],
      [""],
    ))
  }
}
