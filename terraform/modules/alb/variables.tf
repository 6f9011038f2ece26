variable "name" {
  description = "Prefix of every name, such as tradingbot-prod."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,26}[a-z0-9]$", var.name))
    error_message = "name is 3 to 28 lower-case letters, digits and hyphens: a load balancer's name has 32 at most."
  }
}

variable "vpc_id" {
  description = "VPC of the targets."
  type        = string

  validation {
    condition     = startswith(var.vpc_id, "vpc-")
    error_message = "vpc_id begins with vpc-."
  }
}

variable "subnet_ids" {
  description = "Public subnets, one per zone."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) >= 2
    error_message = "A load balancer needs subnets in two zones."
  }
}

variable "security_group_id" {
  description = "Security group that lets 80 and 443 in and reaches the targets."
  type        = string

  validation {
    condition     = startswith(var.security_group_id, "sg-")
    error_message = "security_group_id begins with sg-."
  }
}

variable "logs_bucket" {
  description = "Bucket that takes access logs, under alb/. Its policy must allow them before the load balancer is made."
  type        = string

  validation {
    condition     = length(var.logs_bucket) >= 3
    error_message = "logs_bucket is the name of a bucket."
  }
}

variable "domain" {
  description = "Host name and the id of the Route 53 zone it is in. Null: plain HTTP under the load balancer's own name."
  type = object({
    name    = string
    zone_id = string
  })
  default = null

  validation {
    condition     = var.domain == null || can(regex("^([a-z0-9]([a-z0-9-]*[a-z0-9])?\\.)+[a-z]{2,}$", var.domain.name))
    error_message = "domain.name is a host name in lower case, such as bot.example.com."
  }
}

variable "webhook_sources" {
  description = "IPv4 networks that may send alerts to the webhook path. Empty: nobody (alerts come in elsewhere)."
  type        = list(string)

  validation {
    condition     = length(var.webhook_sources) <= 40 && alltrue([for net in var.webhook_sources : can(cidrnetmask(net))])
    error_message = "webhook_sources holds up to 40 IPv4 networks in CIDR notation, such as 52.89.214.238/32."
  }

  validation {
    condition     = alltrue([for net in var.webhook_sources : try(tonumber(split("/", net)[1]) >= 8, false)])
    error_message = "A webhook source wider than /8 is everybody: name the networks that send alerts."
  }
}

variable "deletion_protection" {
  description = "Refuse to be deleted until this is false."
  type        = bool
  default     = true
}

variable "waf" {
  description = "Web application firewall; rate_limit is requests per 5 minutes and address."
  type = object({
    enabled            = bool
    rate_limit         = optional(number, 2000)
    log_retention_days = optional(number, 365)
  })
  default = { enabled = true }

  validation {
    condition     = var.waf.rate_limit >= 100 && var.waf.rate_limit <= 2000000
    error_message = "waf.rate_limit is between 100 and 2000000 requests in 5 minutes."
  }
}

variable "mutual_tls" {
  description = "Null: no client certificates. passthrough: a certificate that is shown is passed on in a header, which the application does not read; nobody is kept out. verify: everybody without one that the trust store's bundle (PEM, in S3) vouches for is kept out, from the API and the kill switch too."
  type = object({
    mode          = string
    bundle_bucket = optional(string)
    bundle_key    = optional(string)
  })
  default = null

  validation {
    condition     = var.mutual_tls == null || contains(["passthrough", "verify"], try(var.mutual_tls.mode, ""))
    error_message = "mutual_tls.mode is passthrough or verify."
  }

  validation {
    condition     = try(var.mutual_tls.mode, "") != "verify" || (try(var.mutual_tls.bundle_bucket, null) != null && try(var.mutual_tls.bundle_key, null) != null)
    error_message = "mutual_tls.mode verify needs bundle_bucket and bundle_key: the certificates that are trusted."
  }

  validation {
    condition     = var.mutual_tls == null || var.domain != null
    error_message = "Client certificates need HTTPS: set a domain."
  }
}

variable "kms_key_arn" {
  description = "Key that encrypts the firewall's log."
  type        = string

  validation {
    condition     = can(regex("^arn:[a-z-]+:kms:", var.kms_key_arn))
    error_message = "kms_key_arn is the ARN of a KMS key."
  }
}
