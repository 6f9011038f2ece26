variable "name" {
  description = "Prefix of every name here: <project>-<environment>."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,30}[a-z0-9]$", var.name)) && !strcontains(var.name, "--")
    error_message = "name is 3 to 32 small letters, digits and single hyphens, beginning with a letter."
  }
}

variable "kms_key_arn" {
  description = "ARN of the KMS key that encrypts what is stored."
  type        = string

  validation {
    condition     = can(regex("^arn:[a-z-]+:kms:", var.kms_key_arn))
    error_message = "kms_key_arn is the ARN of a KMS key."
  }
}

variable "log_retention_days" {
  description = "Days that load balancer, flow and access logs are kept."
  type        = number
  default     = 90

  validation {
    condition     = var.log_retention_days >= 1 && var.log_retention_days <= 3650
    error_message = "log_retention_days is from 1 to 3650."
  }
}

variable "backup_retention_days" {
  description = "Days that a backup is kept. Must outlast backup_lock_days."
  type        = number
  default     = 365

  validation {
    condition     = var.backup_retention_days >= 7 && var.backup_retention_days <= 3650 && var.backup_retention_days > var.backup_lock_days
    error_message = "backup_retention_days is from 7 to 3650 and more than backup_lock_days."
  }
}

variable "backup_lock_days" {
  description = "Days during which no one can delete or overwrite a backup without the right to bypass governance (object lock); 0 is no lock. Turning a lock on later needs a new bucket."
  type        = number
  default     = 30

  validation {
    condition     = var.backup_lock_days >= 0 && var.backup_lock_days <= 365 && floor(var.backup_lock_days) == var.backup_lock_days
    error_message = "backup_lock_days is a whole number from 0 to 365."
  }
}

variable "spill_visibility_timeout_s" {
  description = "Seconds that a received alert is hidden from other workers when the receiver names none. The workers name 20 and prolong it while they hold an alert."
  type        = number
  default     = 60

  validation {
    condition     = var.spill_visibility_timeout_s >= 30 && var.spill_visibility_timeout_s <= 900
    error_message = "spill_visibility_timeout_s is from 30 to 900."
  }
}

variable "spill_max_receives" {
  description = "Times that an alert is handed out before it moves to the dead-letter queue. Only one that cannot be read uses them up, and meanwhile holds up those behind it: about 2 s each. While the database is away the workers hold what they have and receive nothing, so an outage uses none."
  type        = number
  default     = 20

  validation {
    condition     = var.spill_max_receives >= 10 && var.spill_max_receives <= 1000 && floor(var.spill_max_receives) == var.spill_max_receives
    error_message = "spill_max_receives is a whole number from 10 to 1000: a worker that is replaced hands an alert back, which is no fault of the alert."
  }
}

variable "force_destroy" {
  description = "Let destroy delete buckets that still hold objects, backups too."
  type        = bool
  default     = false
}
