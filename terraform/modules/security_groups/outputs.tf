# Tasks and functions need their way out from the first second, so their groups come with the rules.

output "alb_id" {
  description = "Group of the load balancer."
  value       = aws_security_group.this["alb"].id
}

output "api_id" {
  description = "Group of the api tasks."
  value       = aws_security_group.this["api"].id

  depends_on = [aws_vpc_security_group_egress_rule.connection, aws_vpc_security_group_egress_rule.internet]
}

output "worker_id" {
  description = "Group of the worker, migration and backup tasks."
  value       = aws_security_group.this["worker"].id

  depends_on = [aws_vpc_security_group_egress_rule.connection, aws_vpc_security_group_egress_rule.internet]
}

output "venue_id" {
  description = "Group of the paper exchange."
  value       = aws_security_group.this["venue"].id

  depends_on = [aws_vpc_security_group_egress_rule.connection, aws_vpc_security_group_egress_rule.internet]
}

output "rds_id" {
  description = "Group of PostgreSQL."
  value       = aws_security_group.this["rds"].id
}

output "redis_id" {
  description = "Group of Redis."
  value       = aws_security_group.this["redis"].id
}

output "lambda_id" {
  description = "Group of the intake function."
  value       = aws_security_group.this["lambda"].id

  depends_on = [aws_vpc_security_group_egress_rule.connection, aws_vpc_security_group_egress_rule.internet]
}

output "endpoints_id" {
  description = "Group of the interface endpoints."
  value       = aws_security_group.this["endpoints"].id
}
