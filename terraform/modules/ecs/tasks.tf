# One image, five commands. The root file system is read-only; state and temporary files have volumes that go with the task.

locals {
  volumes = merge(
    { state = "/var/lib/tradingbot", tmp = "/tmp" },
    # The agent of `aws ecs execute-command` writes here.
    var.options.exec ? {
      managed-agents = "/managed-agents"
      ssm-state      = "/var/lib/amazon/ssm"
      ssm-log        = "/var/log/amazon/ssm"
    } : {},
  )

  injected = [for name, secret in var.secrets : {
    name      = name
    valueFrom = secret.key == null ? secret.arn : "${secret.arn}:${secret.key}::"
  }]

  bot = merge(
    var.environment,
    { HOST = "0.0.0.0", PORT = "8001", AWS_DEFAULT_REGION = local.region },
    var.options.venue ? { BINANCE_BASE_URL = "http://venue.${local.namespace}:8002" } : {},
  )

  # Long-running tasks look again at what they were started with, and follow a rotation.
  followed = {
    SECRETS_FROM_AWS  = join(",", [for name, secret in var.secrets : "${name}=${secret.arn}${secret.key == null ? "" : "#${secret.key}"}"])
    STRATEGIES_SECRET = var.strategies_secret_arn
    METRICS_EMF       = "true"
  }

  health = {
    interval    = 30
    timeout     = 10
    retries     = 3
    startPeriod = 300
  }

  tasks = merge({
    api = {
      command     = ["serve", "--role", "api", "--no-migrate"]
      environment = merge(local.bot, local.followed)
      secrets     = local.injected
      port        = 8001
      health      = merge(local.health, { command = ["CMD", "tradingbot", "health"] })
      cpu         = var.sizes.api_cpu
      memory      = var.sizes.api_memory
      role_arn    = aws_iam_role.task.arn
    }
    worker = {
      command     = ["serve", "--role", "worker", "--no-migrate"]
      environment = merge(local.bot, local.followed)
      secrets     = local.injected
      port        = 8001
      health      = merge(local.health, { command = ["CMD", "tradingbot", "health"] })
      cpu         = var.sizes.worker_cpu
      memory      = var.sizes.worker_memory
      role_arn    = aws_iam_role.task.arn
    }
    migrate = {
      command     = ["migrate"]
      environment = local.bot
      secrets     = local.injected
      port        = null
      health      = null
      cpu         = var.sizes.worker_cpu
      memory      = var.sizes.worker_memory
      role_arn    = null
    }
    backup = {
      command     = ["backup"]
      environment = local.bot
      secrets     = local.injected
      port        = null
      health      = null
      cpu         = var.sizes.worker_cpu
      memory      = var.sizes.worker_memory
      role_arn    = aws_iam_role.backup.arn
    }
    }, var.options.venue ? {
    venue = {
      command     = ["venue", "--host", "0.0.0.0"]
      environment = {}
      secrets     = []
      port        = 8002
      health      = merge(local.health, { command = ["CMD", "tradingbot", "health", "--port", "8002", "--path", "/fapi/v1/ping"] })
      cpu         = var.sizes.venue_cpu
      memory      = var.sizes.venue_memory
      role_arn    = null
    }
  } : {})
}

resource "aws_ecs_task_definition" "this" {
  for_each = local.tasks

  family                   = "${var.name}-${each.key}"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = each.value.cpu
  memory                   = each.value.memory
  execution_role_arn       = aws_iam_role.execution.arn
  task_role_arn            = each.value.role_arn
  # The deploy command registers revisions too; the newest is the one to compare with.
  track_latest = true
  # A service can be rolled back to a revision only while it is registered.
  skip_destroy = true

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = var.options.arm64 ? "ARM64" : "X86_64"
  }

  dynamic "volume" {
    for_each = local.volumes

    content {
      name = volume.key
    }
  }

  container_definitions = jsonencode([merge(
    {
      name                   = each.key
      image                  = var.image
      essential              = true
      command                = each.value.command
      environment            = [for name, value in each.value.environment : { name = name, value = value }]
      secrets                = each.value.secrets
      user                   = "10001:10001"
      readonlyRootFilesystem = true
      stopTimeout            = 120
      linuxParameters        = { initProcessEnabled = true, capabilities = { add = [], drop = ["ALL"] } }
      ulimits                = [{ name = "nofile", softLimit = 65536, hardLimit = 65536 }]
      mountPoints            = [for name, path in local.volumes : { sourceVolume = name, containerPath = path, readOnly = false }]
      portMappings           = [for port in each.value.port[*] : { containerPort = port, hostPort = port, protocol = "tcp" }]
      logConfiguration = {
        logDriver = "awslogs"
        options = {
          awslogs-group         = aws_cloudwatch_log_group.tasks.name
          awslogs-region        = local.region
          awslogs-stream-prefix = each.key
          # CloudWatch being slow must not stop the bot at its next log line.
          mode            = "non-blocking"
          max-buffer-size = "25m"
        }
      }
    },
    each.value.health == null ? {} : { healthCheck = each.value.health },
  )])
}
