variable "name" {
  description = "Prefix of every name here: <project>-<environment>."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,30}[a-z0-9]$", var.name)) && !strcontains(var.name, "--")
    error_message = "name is 3 to 32 small letters, digits and single hyphens, beginning with a letter."
  }
}

variable "subnet_ids" {
  description = "Cache subnets, one for each zone."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) >= 2
    error_message = "subnet_ids are at least two: a replica lives in another zone."
  }
}

variable "security_group_id" {
  description = "Security group of the cache."
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
  description = "Redis version."
  type        = string
  default     = "7.1"

  validation {
    condition     = contains(["7.0", "7.1"], var.engine_version)
    error_message = "engine_version is 7.0 or 7.1: IAM authentication begins with 7.0."
  }
}

variable "node_type" {
  description = "Size of each node, for example cache.t4g.micro."
  type        = string
  default     = "cache.t4g.micro"

  validation {
    condition     = can(regex("^cache\\.[a-z0-9]+\\.[a-z0-9]+$", var.node_type))
    error_message = "node_type looks like cache.t4g.micro."
  }
}

variable "replicas" {
  description = "Nodes beside the primary, 0 to 5. From one on, a replica takes over by itself when the primary fails."
  type        = number
  default     = 1

  validation {
    condition     = var.replicas >= 0 && var.replicas <= 5 && floor(var.replicas) == var.replicas
    error_message = "replicas is a whole number from 0 to 5."
  }
}

variable "log_retention_days" {
  description = "Days that Redis's slow log and engine log are kept, one of the periods CloudWatch knows."
  type        = number
  default     = 365

  validation {
    condition     = contains([7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731], var.log_retention_days)
    error_message = "log_retention_days is 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545 or 731."
  }
}

variable "apply_immediately" {
  description = "Apply changes now rather than in the maintenance window."
  type        = bool
  default     = false
}
