variable "name" {
  description = "Prefix of every name here: <project>-<environment>."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,30}[a-z0-9]$", var.name)) && !strcontains(var.name, "--")
    error_message = "name is 3 to 32 small letters, digits and single hyphens, beginning with a letter."
  }
}

variable "cidr_block" {
  description = "Address range of the VPC, a /16 of private addresses; the tiers are /24 cut out of it."
  type        = string
  default     = "10.0.0.0/16"

  validation {
    condition     = can(regex("^(10\\.\\d{1,3}|172\\.(1[6-9]|2\\d|3[01])|192\\.168)\\.0\\.0/16$", var.cidr_block)) && can(cidrhost(var.cidr_block, 0))
    error_message = "cidr_block is a private /16 such as 10.0.0.0/16."
  }
}

variable "availability_zones" {
  description = "The two zones to use, for example [\"ap-southeast-2a\", \"ap-southeast-2b\"]. A later change does not move subnets that exist."
  type        = list(string)

  validation {
    condition     = length(var.availability_zones) == 2 && length(distinct(var.availability_zones)) == 2
    error_message = "availability_zones are exactly two different zones."
  }
}

variable "nat_per_az" {
  description = "A NAT gateway in each zone, so that losing one zone leaves the other its way out; false is one for both, at half the price."
  type        = bool
  default     = true
}

variable "flow_logs" {
  description = "Write a record of every flow to flow_logs_bucket_arn."
  type        = bool
  default     = true

  validation {
    condition     = !var.flow_logs || var.flow_logs_bucket_arn != null
    error_message = "flow_logs need flow_logs_bucket_arn."
  }
}

variable "flow_logs_bucket_arn" {
  description = "ARN of the bucket for flow logs; they are written under vpc-flow-logs/."
  type        = string
  default     = null
}

variable "interface_endpoints" {
  description = "AWS services reached inside the VPC rather than through NAT, by their short names (ecr.api, ecr.dkr, logs, secretsmanager, sqs, kms …). Each is paid by the hour and zone."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for service in var.interface_endpoints : can(regex("^[a-z0-9][a-z0-9.-]+$", service)) && !contains(["s3", "dynamodb"], service)])
    error_message = "interface_endpoints are short service names such as ecr.api; s3 has its gateway endpoint already."
  }

  validation {
    condition     = length(var.interface_endpoints) == 0 || var.endpoints_security_group_id != null
    error_message = "interface_endpoints need endpoints_security_group_id."
  }
}

variable "endpoints_security_group_id" {
  description = "Security group of the interface endpoints."
  type        = string
  default     = null
}
