variable "project" {
  description = "Name of the project, the beginning of every name here."
  type        = string
  default     = "tradingbot"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,18}[a-z0-9]$", var.project)) && !strcontains(var.project, "--")
    error_message = "project is 3 to 20 small letters, digits and single hyphens, beginning with a letter."
  }
}

variable "region" {
  description = "Region of the state, best the one of the stacks."
  type        = string
  default     = "ap-southeast-2"

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-\\d$", var.region))
    error_message = "region looks like ap-southeast-2."
  }
}

variable "lock_table" {
  description = "Keep the DynamoDB lock table too. Terraform 1.11 locks in S3 alone (use_lockfile); the table is for older tools and second opinions."
  type        = bool
  default     = true
}

variable "kept_versions_days" {
  description = "Days that an overwritten state can be brought back."
  type        = number
  default     = 365

  validation {
    condition     = var.kept_versions_days >= 30 && var.kept_versions_days <= 3650
    error_message = "kept_versions_days is from 30 to 3650."
  }
}
