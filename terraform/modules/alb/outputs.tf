output "dns_name" {
  description = "The load balancer's own name."
  value       = aws_lb.this.dns_name
}

output "zone_id" {
  description = "Zone of the load balancer's own name, for alias records."
  value       = aws_lb.this.zone_id
}

output "arn_suffix" {
  description = "The load balancer as CloudWatch names it."
  value       = aws_lb.this.arn_suffix
}

output "api_target_group_arn" {
  description = "Where the api service registers its tasks. Known once requests reach it."
  value       = aws_lb_target_group.api.arn

  # ECS refuses a target group that no listener uses.
  depends_on = [aws_lb_listener.https, aws_lb_listener.plain]
}

output "target_group_arn_suffix" {
  description = "The target group as CloudWatch names it."
  value       = aws_lb_target_group.api.arn_suffix
}

output "url" {
  description = "Where the API is, without a slash at the end."
  value       = local.https ? "https://${var.domain.name}" : "http://${aws_lb.this.dns_name}"
}
