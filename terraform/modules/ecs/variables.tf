variable "name" {
  description = "Prefix of every name, such as tradingbot-prod."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,26}[a-z0-9]$", var.name))
    error_message = "name is 3 to 28 lower-case letters, digits and hyphens."
  }
}

variable "image" {
  description = "Image of every task, by digest: repository@sha256:…"
  type        = string

  validation {
    condition     = can(regex("^[^@:\\s]+(:[0-9]+)?[^@:\\s]*@sha256:[0-9a-f]{64}$", var.image))
    error_message = "image is named by digest (repository@sha256:…): a tag can come to mean something else. For the first apply push an image and set image."
  }
}

variable "sizes" {
  description = "CPU units (1024 is one core), memory in MiB and number of tasks. The api scales between api_min and api_max."
  type = object({
    api_cpu       = optional(number, 512)
    api_memory    = optional(number, 1024)
    api_min       = optional(number, 2)
    api_max       = optional(number, 10)
    worker_cpu    = optional(number, 512)
    worker_memory = optional(number, 1024)
    worker_count  = optional(number, 2)
    venue_cpu     = optional(number, 256)
    venue_memory  = optional(number, 1024)
  })
  default = {}

  validation {
    condition     = alltrue([for cpu in [var.sizes.api_cpu, var.sizes.worker_cpu, var.sizes.venue_cpu] : contains([256, 512, 1024, 2048, 4096], cpu)])
    error_message = "Fargate sells 256, 512, 1024, 2048 or 4096 CPU units."
  }

  validation {
    condition = alltrue([
      for size in [[var.sizes.api_cpu, var.sizes.api_memory], [var.sizes.worker_cpu, var.sizes.worker_memory], [var.sizes.venue_cpu, var.sizes.venue_memory]] :
      size[1] >= 2 * size[0] && size[1] <= min(8 * size[0], 30720) && (size[1] == 512 || size[1] % 1024 == 0)
    ])
    error_message = "Fargate's memory is two to eight times the CPU units, in whole GiB (or 512 MiB with 256 CPU units)."
  }

  validation {
    condition     = var.sizes.api_min >= 1 && var.sizes.api_max >= var.sizes.api_min && var.sizes.api_max <= 50
    error_message = "The api scales between api_min (at least 1) and api_max (at most 50)."
  }

  validation {
    condition     = var.sizes.worker_count >= 2
    error_message = "worker_count is at least 2: the second one guards the stops while the first is down."
  }
}

variable "network" {
  description = "Where the tasks run: private subnets with a way out, and a security group for each kind."
  type = object({
    vpc_id                   = string
    subnet_ids               = list(string)
    api_security_group_id    = string
    worker_security_group_id = string
    venue_security_group_id  = string
  })

  validation {
    condition     = length(var.network.subnet_ids) >= 1
    error_message = "The tasks need a subnet."
  }
}

variable "load_balancer" {
  description = "Where the api registers, and the names by which CloudWatch counts its requests."
  type = object({
    target_group_arn        = string
    arn_suffix              = string
    target_group_arn_suffix = string
  })

  validation {
    condition     = can(regex("^arn:[a-z-]+:elasticloadbalancing:", var.load_balancer.target_group_arn))
    error_message = "load_balancer.target_group_arn is the ARN of a target group."
  }
}

variable "environment" {
  description = "Settings that are no secret, for every task of the bot, by the names the application knows."
  type        = map(string)

  validation {
    condition     = alltrue([for name in keys(var.environment) : can(regex("^[A-Z][A-Z0-9_]*$", name))])
    error_message = "Settings are named in capitals, digits and underscores."
  }

  validation {
    condition     = length(setintersection(keys(var.environment), ["SECRETS_FROM_AWS", "STRATEGIES_SECRET", "METRICS_EMF", "HOST", "PORT"])) == 0
    error_message = "SECRETS_FROM_AWS, STRATEGIES_SECRET, METRICS_EMF, HOST and PORT are set here and cannot be given."
  }

  validation {
    condition     = alltrue([for name in keys(var.environment) : !can(regex("(TOKEN|SECRET|_KEY|PASSWORD|PASSPHRASE|_DSN)$", name))])
    error_message = "A secret in environment would lie in the state, in every plan and in the console: give it in secrets."
  }
}

variable "secrets" {
  description = "Settings that are secret: name of the setting to the secret's ARN and, where the secret is JSON, the key in it."
  type = map(object({
    arn = string
    key = optional(string)
  }))

  validation {
    condition     = alltrue([for secret in values(var.secrets) : can(regex("^arn:[a-z-]+:secretsmanager:", secret.arn))])
    error_message = "Every secret is the ARN of a Secrets Manager secret."
  }
}

variable "strategies_secret_arn" {
  description = "Secret that holds the text of the registry of strategies."
  type        = string

  validation {
    condition     = can(regex("^arn:[a-z-]+:secretsmanager:", var.strategies_secret_arn))
    error_message = "strategies_secret_arn is the ARN of a Secrets Manager secret."
  }
}

variable "access" {
  description = "What the tasks may use, each by ARN; cache_arns are the replication group and its user."
  type = object({
    repository_arn  = string
    spill_queue_arn = string
    backups_prefix  = string
    backups_bucket  = string
    cache_arns      = list(string)
  })

  validation {
    condition = alltrue([
      for arn in concat(var.access.cache_arns, [var.access.repository_arn, var.access.spill_queue_arn, var.access.backups_bucket]) :
      startswith(arn, "arn:") && !strcontains(arn, "*")
    ])
    error_message = "Access is given to single things, by ARN and without a wildcard."
  }

  validation {
    condition     = can(regex("^[a-z0-9-]+$", var.access.backups_prefix))
    error_message = "access.backups_prefix is a folder's name, without slashes."
  }
}

variable "kms_key_arn" {
  description = "Key of logs, secrets, queue and backups."
  type        = string

  validation {
    condition     = can(regex("^arn:[a-z-]+:kms:", var.kms_key_arn))
    error_message = "kms_key_arn is the ARN of a KMS key."
  }
}

variable "options" {
  description = "venue: run the paper exchange. exec: let operators open a shell in a task. arm64: Graviton, for images built for it. spot: of the api tasks above two, three of four on spare capacity (never the worker). backup_schedule: UTC."
  type = object({
    venue              = optional(bool, false)
    exec               = optional(bool, false)
    arm64              = optional(bool, false)
    spot               = optional(bool, false)
    log_retention_days = optional(number, 365)
    backup_schedule    = optional(string, "cron(30 2 * * ? *)")
  })
  default = {}

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.options.log_retention_days)
    error_message = "log_retention_days is one of the periods CloudWatch offers, such as 30, 90 or 365."
  }

  validation {
    condition     = can(regex("^(cron|rate)\\(.+\\)$", var.options.backup_schedule))
    error_message = "backup_schedule is cron(…) or rate(…)."
  }
}

variable "alarm_topic_arn" {
  description = "Topic that is told when the daily backup could not be started."
  type        = string

  validation {
    condition     = can(regex("^arn:[a-z-]+:sns:", var.alarm_topic_arn))
    error_message = "alarm_topic_arn is the ARN of an SNS topic."
  }
}

variable "deployment_alarms" {
  description = "Alarms that roll a deployment back, by service. They watch the cluster, so they are made between it and the services."
  type = object({
    api    = list(string)
    worker = list(string)
  })
  default = { api = [], worker = [] }

  validation {
    condition     = length(var.deployment_alarms.api) <= 100 && length(var.deployment_alarms.worker) <= 100
    error_message = "A service watches up to 100 alarms."
  }
}
