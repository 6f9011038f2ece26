variable "name" {
  description = "Prefix of every name, such as tradingbot-prod."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,26}[a-z0-9]$", var.name))
    error_message = "name is 3 to 28 lower-case letters, digits and hyphens."
  }
}

variable "image" {
  description = "Image of the function (Dockerfile target lambda), by digest: repository@sha256:…"
  type        = string

  validation {
    condition     = can(regex("^[^@\\s]+@sha256:[0-9a-f]{64}$", var.image))
    error_message = "image is named by digest (repository@sha256:…): push the Dockerfile's target lambda and set lambda_image."
  }
}

variable "network" {
  description = "Private subnets with a way out, and a security group that lets HTTPS out."
  type = object({
    subnet_ids        = list(string)
    security_group_id = string
  })

  validation {
    condition     = length(var.network.subnet_ids) >= 1
    error_message = "The function needs a subnet."
  }
}

variable "environment" {
  description = "Settings that are no secret, by the names the application knows."
  type        = map(string)

  validation {
    condition     = length(setintersection(keys(var.environment), ["SECRETS_FROM_AWS", "STRATEGIES_SECRET", "STRATEGIES_FILE", "METRICS_EMF"])) == 0
    error_message = "SECRETS_FROM_AWS, STRATEGIES_SECRET, STRATEGIES_FILE and METRICS_EMF are set here and cannot be given."
  }

  validation {
    condition     = alltrue([for name in keys(var.environment) : !can(regex("(TOKEN|SECRET|_KEY|PASSWORD|PASSPHRASE|_DSN)$", name))])
    error_message = "A secret in environment would lie in the state, in every plan and in the console: give it in secret_arns."
  }
}

variable "secret_arns" {
  description = "Secrets the intake reads when it starts: name of the setting to ARN."
  type        = map(string)

  validation {
    condition     = alltrue([for arn in values(var.secret_arns) : can(regex("^arn:[a-z-]+:secretsmanager:", arn))])
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

variable "spill_queue_arn" {
  description = "Queue that alerts are written to."
  type        = string

  validation {
    condition     = can(regex("^arn:[a-z-]+:sqs:.+\\.fifo$", var.spill_queue_arn))
    error_message = "spill_queue_arn is the ARN of a FIFO queue: the order of alerts matters."
  }
}

variable "kms_key_arn" {
  description = "Key of environment, logs, secrets and queues."
  type        = string

  validation {
    condition     = can(regex("^arn:[a-z-]+:kms:", var.kms_key_arn))
    error_message = "kms_key_arn is the ARN of a KMS key."
  }
}

variable "options" {
  description = "memory_mb buys CPU too (1769 is one core). concurrency is reserved: as many at a time, no more; -1 reserves none, for AWS refuses it where the account's quota is small (10 in a new account). rate and burst are requests a second that are let through; what is above gets 429, which TradingView does not send again."
  type = object({
    memory_mb          = optional(number, 1024)
    concurrency        = optional(number, -1)
    rate               = optional(number, 200)
    burst              = optional(number, 400)
    arm64              = optional(bool, false)
    log_retention_days = optional(number, 365)
  })
  default = {}

  validation {
    condition     = var.options.memory_mb >= 256 && var.options.memory_mb <= 10240
    error_message = "options.memory_mb is between 256 and 10240."
  }

  validation {
    condition     = (var.options.concurrency == -1 || var.options.concurrency >= 1) && var.options.rate >= 1 && var.options.burst >= var.options.rate
    error_message = "options.concurrency is -1 (none reserved) or at least 1, rate at least 1, burst at least rate."
  }
}

variable "alarm_topic_arn" {
  description = "Topic that is told when requests fail."
  type        = string

  validation {
    condition     = can(regex("^arn:[a-z-]+:sns:", var.alarm_topic_arn))
    error_message = "alarm_topic_arn is the ARN of an SNS topic."
  }
}
