output "primary_address" {
  description = "Host name of the primary node, for writes and reads; after a failover it points to the new primary."
  value       = aws_elasticache_replication_group.this.primary_endpoint_address
}

output "replication_group_id" {
  description = "Id of the replication group: REDIS_IAM_CACHE."
  value       = aws_elasticache_replication_group.this.id
}

output "replication_group_arn" {
  description = "ARN of the replication group, for elasticache:Connect."
  value       = aws_elasticache_replication_group.this.arn
}

output "iam_user_id" {
  description = "The user that tasks sign in as: REDIS_IAM_USER."
  value       = aws_elasticache_user.app.user_id
}

output "user_arn" {
  description = "ARN of that user, for elasticache:Connect."
  value       = aws_elasticache_user.app.arn
}

output "cache_cluster_ids" {
  description = "Ids of the nodes, the dimension of their metrics. Known at plan: a group's nodes are numbered from 001."
  value       = [for number in range(1, var.replicas + 2) : format("%s-%03d", var.name, number)]
}
