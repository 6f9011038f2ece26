variable "name" {
  description = "Name of the repository: <project>-<environment>."
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

variable "keep_images" {
  description = "Newest tagged images to keep; older ones expire, so a roll-back reaches this many releases."
  type        = number
  default     = 30

  validation {
    condition     = var.keep_images >= 5 && var.keep_images <= 1000 && floor(var.keep_images) == var.keep_images
    error_message = "keep_images is a whole number from 5 to 1000: fewer could expire the image in use."
  }
}

variable "untagged_days" {
  description = "Days after which an image without a tag expires."
  type        = number
  default     = 7

  validation {
    condition     = var.untagged_days >= 1 && var.untagged_days <= 365 && floor(var.untagged_days) == var.untagged_days
    error_message = "untagged_days is a whole number from 1 to 365."
  }
}

variable "lambda_access" {
  description = "Let Lambda functions of this account pull from the repository."
  type        = bool
  default     = false
}

variable "force_delete" {
  description = "Let destroy delete a repository that still holds images."
  type        = bool
  default     = false
}
