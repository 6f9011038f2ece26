variable "name" {
  description = "Prefix of every name here: <project>-<environment>."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,30}[a-z0-9]$", var.name)) && !strcontains(var.name, "--")
    error_message = "name is 3 to 32 small letters, digits and single hyphens, beginning with a letter."
  }
}

variable "subnet_ids" {
  description = "Database subnets, in at least two zones."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) >= 2
    error_message = "subnet_ids are at least two: RDS wants two zones even for one instance."
  }
}

variable "security_group_id" {
  description = "Security group of the database."
  type        = string
}

variable "kms_key_arn" {
  description = "ARN of the KMS key that encrypts what is stored."
  type        = string

  validation {
    condition     = can(regex("^arn:[a-z-]+:kms:", var.kms_key_arn))
    error_message = "kms_key_arn is the ARN of a KMS key."
  }
}

variable "engine_version" {
  description = "PostgreSQL version, 16 or a minor version of it; minor upgrades come by themselves in the maintenance window."
  type        = string
  default     = "16"

  validation {
    condition     = can(regex("^16(\\.\\d+)?$", var.engine_version))
    error_message = "engine_version is 16 or 16.<minor>: the parameter group belongs to version 16."
  }
}

variable "instance_class" {
  description = "Size of the instance, for example db.t4g.small."
  type        = string
  default     = "db.t4g.small"

  validation {
    condition     = can(regex("^db\\.[a-z0-9]+\\.[a-z0-9]+$", var.instance_class))
    error_message = "instance_class looks like db.t4g.small."
  }
}

variable "storage_gb" {
  description = "Gigabytes of gp3 storage: initial, and how far it may grow by itself."
  type        = object({ initial = optional(number, 20), max = optional(number, 100) })
  default     = {}

  validation {
    condition     = var.storage_gb.initial >= 20 && var.storage_gb.max <= 16384 && var.storage_gb.max >= ceil(var.storage_gb.initial * 1.26)
    error_message = "storage_gb.initial is at least 20, and max (at most 16384) at least 26 % more: with less, RDS has no room to grow it."
  }
}

variable "multi_az" {
  description = "Keep a standby in the other zone, which takes over in one to two minutes. Doubles the price."
  type        = bool
  default     = true
}

variable "protected" {
  description = "No deletion before protection is taken away; changes only in the maintenance window."
  type        = bool
  default     = true
}

variable "keep_data" {
  description = "Deletion leaves a final snapshot and the automatic backups of the last days."
  type        = bool
  default     = true
}

variable "backup_retention_days" {
  description = "Days of automatic backups, within which any second can be restored (1 to 35)."
  type        = number
  default     = 7

  validation {
    condition     = var.backup_retention_days >= 1 && var.backup_retention_days <= 35 && (!var.protected || var.backup_retention_days >= 7)
    error_message = "backup_retention_days is from 1 to 35, and at least 7 for a protected database."
  }
}

variable "monitoring_interval_s" {
  description = "Seconds between readings of the operating system's metrics: 1, 5, 10, 15, 30 or 60."
  type        = number
  default     = 60

  validation {
    condition     = contains([1, 5, 10, 15, 30, 60], var.monitoring_interval_s)
    error_message = "monitoring_interval_s is 1, 5, 10, 15, 30 or 60."
  }
}

variable "log_retention_days" {
  description = "Days that PostgreSQL's logs are kept, one of the periods CloudWatch knows."
  type        = number
  default     = 365

  validation {
    condition     = contains([7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731], var.log_retention_days)
    error_message = "log_retention_days is 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545 or 731."
  }
}
