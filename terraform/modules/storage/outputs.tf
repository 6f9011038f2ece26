output "logs_bucket" {
  description = "Bucket for logs: load balancers write under alb/, flow logs under vpc-flow-logs/, S3 under s3/."
  value       = aws_s3_bucket.this["logs"].id

  # A load balancer tries to write when it is told the bucket, and fails without the policy.
  depends_on = [aws_s3_bucket_policy.this]
}

output "logs_bucket_arn" {
  description = "ARN of the bucket for logs."
  value       = aws_s3_bucket.this["logs"].arn

  depends_on = [aws_s3_bucket_policy.this]
}

output "backups_bucket" {
  description = "Bucket for backups of the database and the audit log."
  value       = aws_s3_bucket.this["backups"].id
}

output "backups_bucket_arn" {
  description = "ARN of the bucket for backups."
  value       = aws_s3_bucket.this["backups"].arn
}

output "spill_queue_url" {
  description = "URL of the FIFO queue that takes alerts while the database is away."
  value       = aws_sqs_queue.spill.url
}

output "spill_queue_arn" {
  description = "ARN of the spill queue."
  value       = aws_sqs_queue.spill.arn
}

output "spill_queue_name" {
  description = "Name of the spill queue."
  value       = aws_sqs_queue.spill.name
}

output "spill_dead_letter_arn" {
  description = "ARN of the queue for alerts that could not be taken over."
  value       = aws_sqs_queue.dead.arn
}

output "spill_dead_letter_name" {
  description = "Name of the queue for alerts that could not be taken over."
  value       = aws_sqs_queue.dead.name
}
