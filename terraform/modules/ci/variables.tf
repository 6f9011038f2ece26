variable "name" {
  description = "Prefix of every name, such as tradingbot-prod."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,26}[a-z0-9]$", var.name))
    error_message = "name is 3 to 28 lower-case letters, digits and hyphens."
  }
}

variable "github" {
  description = "Which jobs may deploy: those of this repository (owner/name) that run in this GitHub environment, whose protection rules decide who starts them."
  type = object({
    repository  = string
    environment = string
  })

  validation {
    condition     = can(regex("^[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9._-]+$", var.github.repository))
    error_message = "github.repository is owner/name, without a wildcard."
  }

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]*$", var.github.environment))
    error_message = "github.environment is the name of a GitHub environment, without a wildcard."
  }
}

variable "create_provider" {
  description = "Make the account's identity provider for GitHub. An account has one: false where another environment has made it."
  type        = bool
  default     = true
}

variable "repository_arn" {
  description = "ECR repository that images are pushed to."
  type        = string

  validation {
    condition     = can(regex("^arn:[a-z-]+:ecr:.+:repository/.+[^*]$", var.repository_arn))
    error_message = "repository_arn is the ARN of one ECR repository."
  }
}

variable "ecs" {
  description = "What is deployed to: cluster, its services, task families (without revision) and every role a task may be started with."
  type = object({
    cluster_arn    = string
    service_arns   = list(string)
    family_arns    = list(string)
    pass_role_arns = list(string)
  })

  validation {
    condition     = can(regex("^arn:[a-z-]+:ecs:.+:cluster/[^*]+$", var.ecs.cluster_arn))
    error_message = "ecs.cluster_arn is the ARN of one cluster."
  }

  validation {
    condition     = length(var.ecs.pass_role_arns) > 0 && alltrue([for arn in var.ecs.pass_role_arns : can(regex("^arn:[a-z-]+:iam::.*:role/[^*]+$", arn))])
    error_message = "ecs.pass_role_arns are ARNs of single roles: a wildcard would let a job start tasks as anybody."
  }
}

variable "image_parameter_arn" {
  description = "SSM parameter that remembers the image in force."
  type        = string

  validation {
    condition     = can(regex("^arn:[a-z-]+:ssm:.+:parameter/.+[^*]$", var.image_parameter_arn))
    error_message = "image_parameter_arn is the ARN of one SSM parameter."
  }
}
