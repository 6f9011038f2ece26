# What runs all the time. A deployment that does not become healthy, or trips an alarm, goes back by itself.

resource "aws_ecs_service" "api" {
  name                               = "${var.name}-api"
  cluster                            = aws_ecs_cluster.this.id
  task_definition                    = aws_ecs_task_definition.this["api"].arn
  desired_count                      = var.sizes.api_min
  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200
  availability_zone_rebalancing      = "ENABLED"
  health_check_grace_period_seconds  = 300
  enable_execute_command             = var.options.exec
  enable_ecs_managed_tags            = true
  propagate_tags                     = "SERVICE"
  # Without it another strategy destroys the service before it makes a new one; with it tasks are replaced one by one.
  force_new_deployment = true

  # A base that follows api_min would make every change of size a deployment.
  capacity_provider_strategy {
    capacity_provider = "FARGATE"
    base              = 2
    weight            = 1
  }

  dynamic "capacity_provider_strategy" {
    for_each = var.options.spot ? [3] : []

    content {
      capacity_provider = "FARGATE_SPOT"
      weight            = capacity_provider_strategy.value
    }
  }

  network_configuration {
    subnets          = var.network.subnet_ids
    security_groups  = [var.network.api_security_group_id]
    assign_public_ip = false
  }

  load_balancer {
    target_group_arn = var.load_balancer.target_group_arn
    container_name   = "api"
    container_port   = 8001
  }

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  dynamic "alarms" {
    for_each = length(var.deployment_alarms.api) > 0 ? [var.deployment_alarms.api] : []

    content {
      alarm_names = alarms.value
      enable      = true
      rollback    = true
    }
  }

  lifecycle {
    # Autoscaling decides.
    ignore_changes = [desired_count]
  }

  depends_on = [aws_ecs_cluster_capacity_providers.this, aws_iam_role_policy.execution, aws_iam_role_policy.task]
}

# Never on spare capacity: a worker that is taken away may be the one that guards a stop.
resource "aws_ecs_service" "worker" {
  name                               = "${var.name}-worker"
  cluster                            = aws_ecs_cluster.this.id
  task_definition                    = aws_ecs_task_definition.this["worker"].arn
  launch_type                        = "FARGATE"
  desired_count                      = var.sizes.worker_count
  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200
  availability_zone_rebalancing      = "ENABLED"
  enable_execute_command             = var.options.exec
  enable_ecs_managed_tags            = true
  propagate_tags                     = "SERVICE"

  network_configuration {
    subnets          = var.network.subnet_ids
    security_groups  = [var.network.worker_security_group_id]
    assign_public_ip = false
  }

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  dynamic "alarms" {
    for_each = length(var.deployment_alarms.worker) > 0 ? [var.deployment_alarms.worker] : []

    content {
      alarm_names = alarms.value
      enable      = true
      rollback    = true
    }
  }

  depends_on = [aws_iam_role_policy.execution, aws_iam_role_policy.task]
}

# One, and never two at a time: two exchanges would be two accounts.
resource "aws_ecs_service" "venue" {
  count = var.options.venue ? 1 : 0

  name                               = "${var.name}-venue"
  cluster                            = aws_ecs_cluster.this.id
  task_definition                    = aws_ecs_task_definition.this["venue"].arn
  launch_type                        = "FARGATE"
  desired_count                      = 1
  deployment_minimum_healthy_percent = 0
  deployment_maximum_percent         = 100
  availability_zone_rebalancing      = "DISABLED"
  enable_ecs_managed_tags            = true
  propagate_tags                     = "SERVICE"

  network_configuration {
    subnets          = var.network.subnet_ids
    security_groups  = [var.network.venue_security_group_id]
    assign_public_ip = false
  }

  service_registries {
    registry_arn = aws_service_discovery_service.venue[0].arn
  }

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  depends_on = [aws_iam_role_policy.execution]
}

resource "aws_appautoscaling_target" "api" {
  service_namespace  = "ecs"
  scalable_dimension = "ecs:service:DesiredCount"
  resource_id        = "service/${aws_ecs_cluster.this.name}/${aws_ecs_service.api.name}"
  min_capacity       = var.sizes.api_min
  max_capacity       = var.sizes.api_max
}

resource "aws_appautoscaling_policy" "api" {
  for_each = {
    cpu    = { metric = "ECSServiceAverageCPUUtilization", target = 70, label = null }
    memory = { metric = "ECSServiceAverageMemoryUtilization", target = 80, label = null }
    # Ten alerts a second and task: far below what one takes, so that bursts meet tasks that are idle.
    requests = { metric = "ALBRequestCountPerTarget", target = 600, label = "${var.load_balancer.arn_suffix}/${var.load_balancer.target_group_arn_suffix}" }
  }

  name               = "${var.name}-api-${each.key}"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.api.service_namespace
  scalable_dimension = aws_appautoscaling_target.api.scalable_dimension
  resource_id        = aws_appautoscaling_target.api.resource_id

  target_tracking_scaling_policy_configuration {
    target_value       = each.value.target
    scale_out_cooldown = 60
    scale_in_cooldown  = 300

    predefined_metric_specification {
      predefined_metric_type = each.value.metric
      resource_label         = each.value.label
    }
  }
}
