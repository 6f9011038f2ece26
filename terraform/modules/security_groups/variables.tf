variable "name" {
  description = "Prefix of every name here: <project>-<environment>."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,30}[a-z0-9]$", var.name)) && !strcontains(var.name, "--")
    error_message = "name is 3 to 32 small letters, digits and single hyphens, beginning with a letter."
  }
}

variable "vpc_id" {
  description = "Id of the VPC."
  type        = string
}

variable "app_port" {
  description = "TCP port the api and worker tasks listen on."
  type        = number
  default     = 8001

  validation {
    condition     = var.app_port >= 1024 && var.app_port <= 65535 && floor(var.app_port) == var.app_port
    error_message = "app_port is a whole number from 1024 to 65535: the tasks do not run as root."
  }
}

variable "venue_port" {
  description = "TCP port the paper exchange listens on."
  type        = number
  default     = 8002

  validation {
    condition     = var.venue_port >= 1024 && var.venue_port <= 65535 && var.venue_port != var.app_port
    error_message = "venue_port is from 1024 to 65535 and is not app_port."
  }
}

variable "outbound_tcp_ports" {
  description = "TCP ports that tasks may reach on the internet: 443 for AWS, exchanges, AI providers and Telegram; 8443 for the OKX price stream."
  type        = set(number)
  default     = [443, 8443]

  validation {
    condition     = contains(var.outbound_tcp_ports, 443) && alltrue([for port in var.outbound_tcp_ports : port >= 1 && port <= 65535 && !contains([22, 25, 5432, 6379], port)])
    error_message = "outbound_tcp_ports contain 443 and are no SSH, SMTP, PostgreSQL or Redis port."
  }
}
