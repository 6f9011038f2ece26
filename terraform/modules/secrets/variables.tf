variable "name" {
  description = "Prefix of every name here: <project>-<environment>."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,30}[a-z0-9]$", var.name)) && !strcontains(var.name, "--")
    error_message = "name is 3 to 32 small letters, digits and single hyphens, beginning with a letter."
  }
}

variable "prefix" {
  description = "Beginning of each secret's name: <project>/<environment>."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]*/[a-z][a-z0-9-]*$", var.prefix))
    error_message = "prefix is <project>/<environment> in small letters, digits and hyphens."
  }
}

variable "values" {
  description = "Secret values by name (SECRET_KEY, WEBHOOK_SECRET, …, STRATEGIES). Written to Secrets Manager once, when the secret is made, and nowhere else; one that is not given is stored as one blank, which the application takes as not set."
  type        = map(string)
  default     = {}
  ephemeral   = true
  sensitive   = true

  validation {
    condition     = length(setsubtract(keys(var.values), local.all_names)) == 0
    error_message = "values hold a name that is none of the application's secrets: see the list in this module's README."
  }

  validation {
    condition     = alltrue([for value in values(var.values) : value == null ? true : length(value) <= 65536])
    error_message = "A secret is at most 65536 characters."
  }
}

variable "recovery_window_days" {
  description = "Days a deleted secret can be brought back (7 to 30); 0 deletes at once, so that the same names can be created again."
  type        = number
  default     = 30

  validation {
    condition     = var.recovery_window_days == 0 || (var.recovery_window_days >= 7 && var.recovery_window_days <= 30)
    error_message = "recovery_window_days is 0 or from 7 to 30."
  }
}

variable "key_deletion_days" {
  description = "Days before a deleted KMS key is gone, and with it everything encrypted with it (7 to 30)."
  type        = number
  default     = 30

  validation {
    condition     = var.key_deletion_days >= 7 && var.key_deletion_days <= 30
    error_message = "key_deletion_days is from 7 to 30."
  }
}
