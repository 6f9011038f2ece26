variable "name" {
  description = "Prefix of every name, such as tradingbot-prod."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,26}[a-z0-9]$", var.name))
    error_message = "name is 3 to 28 lower-case letters, digits and hyphens."
  }
}

variable "deployment" {
  description = "Value of the dimension Deployment of the bot's own metrics."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,31}$", var.deployment))
    error_message = "deployment is up to 32 lower-case letters, digits and hyphens."
  }
}

variable "watched" {
  description = "What is watched, by the names CloudWatch knows it by."
  type = object({
    cluster_name            = string
    service_names           = map(string)
    alb_arn_suffix          = string
    target_group_arn_suffix = string
    db_instance_id          = string
    cache_cluster_ids       = list(string)
    spill_queue_name        = string
    dead_letter_name        = string
    log_group_name          = string
  })

  validation {
    condition     = contains(keys(var.watched.service_names), "api") && contains(keys(var.watched.service_names), "worker")
    error_message = "watched.service_names has api and worker."
  }

  validation {
    condition     = length(var.watched.cache_cluster_ids) >= 1
    error_message = "watched.cache_cluster_ids names at least one node."
  }
}

variable "alarm_email" {
  description = "Who is told. The address gets a message from AWS first and must confirm it. Null: only the topic."
  type        = string
  default     = null

  validation {
    condition     = var.alarm_email == null || can(regex("^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$", var.alarm_email))
    error_message = "alarm_email is an e-mail address."
  }
}

variable "kms_key_arn" {
  description = "Key of the alarm topic. Its policy must let CloudWatch, EventBridge and Budgets use it."
  type        = string

  validation {
    condition     = can(regex("^arn:[a-z-]+:kms:", var.kms_key_arn))
    error_message = "kms_key_arn is the ARN of a KMS key."
  }
}

variable "limits" {
  description = "When to say something: hours without any alert taken in, seconds a position may be without its stop, seconds an alert may wait in the spill queue, hours without a backup (0: say nothing)."
  type = object({
    silence_hours = optional(number, 24)
    naked_s       = optional(number, 5)
    spill_age_s   = optional(number, 60)
    backup_hours  = optional(number, 26)
  })
  default = {}

  validation {
    condition     = contains([1, 2, 3, 4, 6, 8, 12, 24], var.limits.silence_hours)
    error_message = "limits.silence_hours is 1, 2, 3, 4, 6, 8, 12 or 24: an alarm looks back one day at most."
  }

  validation {
    condition     = var.limits.naked_s > 0 && var.limits.naked_s <= 60
    error_message = "limits.naked_s is above 0 and at most 60 seconds."
  }

  validation {
    condition     = var.limits.spill_age_s >= 10 && var.limits.spill_age_s <= 3600
    error_message = "limits.spill_age_s is between 10 and 3600 seconds."
  }

  validation {
    condition     = contains(concat([0], range(2, 169)), var.limits.backup_hours)
    error_message = "limits.backup_hours is a whole number from 2 to 168, or 0: an alarm looks back a week at most."
  }
}

variable "budget_usd" {
  description = "Monthly cost of the account, in US dollars, at 80 % of which (and when it is forecast to be passed) the topic is told. Null: no budget."
  type        = number
  default     = null

  validation {
    condition     = var.budget_usd == null || try(var.budget_usd > 0, false)
    error_message = "budget_usd is an amount above 0, or null."
  }
}
