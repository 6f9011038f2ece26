output "address" {
  description = "Host name of the database; after a failover it points to the standby."
  value       = aws_db_instance.this.address
}

output "port" {
  description = "TCP port of the database."
  value       = aws_db_instance.this.port
}

output "database_name" {
  description = "Name of the database."
  value       = aws_db_instance.this.db_name
}

output "username" {
  description = "Name of the master user."
  value       = aws_db_instance.this.username
}

output "master_secret_arn" {
  description = "ARN of the secret that RDS keeps and rotates; its JSON key `password` is the master user's password."
  value       = one(aws_db_instance.this.master_user_secret[*].secret_arn)
}

output "instance_id" {
  description = "Identifier of the instance, the dimension of its metrics."
  value       = aws_db_instance.this.identifier
}
