output "vpc_id" {
  description = "Id of the VPC."
  value       = aws_vpc.this.id
}

output "public_subnet_ids" {
  description = "Subnets of the load balancer and NAT, one for each zone."
  value       = [for index in range(length(var.availability_zones)) : aws_subnet.this["public-${index}"].id]
}

output "private_subnet_ids" {
  description = "Subnets of the tasks, one for each zone. Usable once the way out exists."
  value       = [for index in range(length(var.availability_zones)) : aws_subnet.this["private-${index}"].id]

  # A task that starts before its route exists cannot pull its image.
  depends_on = [aws_route.nat, aws_route_table_association.this]
}

output "database_subnet_ids" {
  description = "Subnets of PostgreSQL, one for each zone."
  value       = [for index in range(length(var.availability_zones)) : aws_subnet.this["database-${index}"].id]
}

output "cache_subnet_ids" {
  description = "Subnets of Redis, one for each zone."
  value       = [for index in range(length(var.availability_zones)) : aws_subnet.this["cache-${index}"].id]
}

output "nat_public_ips" {
  description = "The addresses all traffic to exchanges comes from: bind exchange keys to these."
  value       = aws_eip.nat[*].public_ip
}

output "private_route_table_ids" {
  description = "Route tables of the private subnets, one for each zone."
  value       = aws_route_table.private[*].id
}
