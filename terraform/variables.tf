variable "project" {
  description = "First part of every name."
  type        = string
  default     = "tradingbot"

  validation {
    condition     = can(regex("^[a-z][a-z0-9]*(-[a-z0-9]+)*$", var.project)) && length(var.project) >= 2 && length(var.project) <= 20
    error_message = "project is 2 to 20 lower-case letters, digits and single hyphens."
  }
}

variable "environment" {
  description = "dev may be cheap and without a domain, staging is prod in small, prod guards what it has."
  type        = string

  validation {
    condition     = contains(["dev", "staging", "prod"], var.environment)
    error_message = "environment is dev, staging or prod."
  }
}

variable "region" {
  description = "AWS region. TradingView sends from us-west-2; near the exchange is worth more than near TradingView."
  type        = string
  default     = "ap-southeast-2"

  validation {
    condition     = can(regex("^[a-z]{2}-[a-z]+-[0-9]$", var.region))
    error_message = "region is a region of AWS, such as ap-southeast-2."
  }
}

variable "trading_mode" {
  description = "paper: a paper exchange runs beside the bot. testnet: the exchange's demo. live: real money."
  type        = string
  default     = "paper"

  validation {
    condition     = contains(["paper", "testnet", "live"], var.trading_mode)
    error_message = "trading_mode is paper, testnet or live."
  }

  validation {
    condition     = var.trading_mode != "live" || var.environment == "prod"
    error_message = "Real money is traded in prod only: its database has a standby and cannot be deleted by mistake."
  }
}

variable "domain_name" {
  description = "Host name of the bot, such as bot.example.com. Null: plain HTTP under the load balancer's own name, in dev only."
  type        = string
  default     = null

  validation {
    condition     = var.domain_name != null || var.environment == "dev"
    error_message = "Outside dev a domain_name is needed: an alert carries its secret, and without HTTPS everybody on the way reads it."
  }
}

variable "hosted_zone_id" {
  description = "Route 53 zone that domain_name is in."
  type        = string
  default     = null

  validation {
    condition     = (var.hosted_zone_id == null) == (var.domain_name == null)
    error_message = "domain_name and hosted_zone_id belong together: the certificate is proven by records in that zone."
  }
}

variable "webhook_sources" {
  description = "IPv4 networks that may send alerts. TradingView's four addresses; add your own to try the webhook by hand."
  type        = list(string)
  default     = ["52.89.214.238/32", "34.212.75.30/32", "54.218.53.128/32", "52.32.178.7/32"]

  validation {
    condition     = length(var.webhook_sources) >= 1 && length(var.webhook_sources) <= 40 && alltrue([for net in var.webhook_sources : can(cidrnetmask(net))])
    error_message = "webhook_sources holds 1 to 40 IPv4 networks in CIDR notation, such as 52.89.214.238/32."
  }
}

variable "image" {
  description = "Image of the tasks, by digest: repository@sha256:…  Null: the one in force, which the SSM parameter /<project>/<environment>/image holds."
  type        = string
  default     = null

  validation {
    condition     = var.image == null || can(regex("^[^@\\s]+@sha256:[0-9a-f]{64}$", var.image))
    error_message = "image is named by digest: repository@sha256:…"
  }
}

variable "lambda_image" {
  description = "Image of the intake function (Dockerfile target lambda), by digest, when intake is lambda. Null: the one in force, in /<project>/<environment>/lambda-image."
  type        = string
  default     = null

  validation {
    condition     = var.lambda_image == null || can(regex("^[^@\\s]+@sha256:[0-9a-f]{64}$", var.lambda_image))
    error_message = "lambda_image is named by digest: repository@sha256:…"
  }
}

variable "alarm_email" {
  description = "Who is told about alarms. AWS asks the address to confirm first. Null: nobody (prod refuses that)."
  type        = string
  default     = null

  validation {
    condition     = var.alarm_email != null || var.environment != "prod"
    error_message = "prod needs an alarm_email: an alarm that nobody hears is none."
  }
}

variable "intake" {
  description = "Where alerts come in. alb: at the api tasks. lambda: at a function that only writes to the queue; the load balancer still serves the API."
  type        = string
  default     = "alb"

  validation {
    condition     = contains(["alb", "lambda"], var.intake)
    error_message = "intake is alb or lambda."
  }
}

variable "settings" {
  description = "Further settings of the bot that are no secret, such as RISK_PER_TRADE or TELEGRAM_CHAT_IDS, by their names in .env.example."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for name in keys(var.settings) : can(regex("^[A-Z][A-Z0-9_]*$", name))])
    error_message = "Settings are named in capitals, digits and underscores, as in .env.example."
  }

  validation {
    condition     = length(setintersection(keys(var.settings), concat(local.secret_names, ["DATABASE_PASSWORD"]))) == 0
    error_message = "A secret in settings would lie in the state and in every plan: export it as TF_VAR_<name in lower case>."
  }

  validation {
    condition     = length(setintersection(keys(var.settings), local.own_settings)) == 0
    error_message = "Some of these settings follow from the stack itself and cannot be given: see own_settings in settings.tf."
  }
}

variable "sizes" {
  description = "CPU units (1024 is one core), MiB, numbers of tasks, classes and GB. The defaults fit staging and prod."
  type = object({
    api_cpu            = optional(number, 512)
    api_memory         = optional(number, 1024)
    api_min            = optional(number, 2)
    api_max            = optional(number, 10)
    worker_cpu         = optional(number, 512)
    worker_memory      = optional(number, 1024)
    worker_count       = optional(number, 2)
    venue_cpu          = optional(number, 256)
    venue_memory       = optional(number, 1024)
    db_class           = optional(string, "db.t4g.small")
    db_storage_gb      = optional(number, 20)
    db_max_storage_gb  = optional(number, 100)
    cache_node         = optional(string, "cache.t4g.micro")
    cache_replicas     = optional(number)
    log_retention_days = optional(number, 365)
  })
  default = {}

  validation {
    condition     = var.sizes.api_min >= 2 || var.environment == "dev"
    error_message = "Outside dev api_min is at least 2: one zone may fail."
  }
}

variable "features" {
  description = <<-END
    What is switched on. Null follows the environment: waf, multi_az, nat_per_az and deletion_protection are on in prod,
    waf and multi_az in staging; flow_logs are on everywhere.
    deletion_protection: AWS refuses to delete database and load balancer. discard_data (null: in dev only; never with real
    money): destroy takes backups, images and secrets along, leaves no snapshot of the database, and no name is kept back.
    exec: operators may open a shell in a task (never in prod). arm64: images are built for Graviton. spot: of the api tasks
    above two, three of four on spare capacity. interface_endpoints: AWS's own services without the NAT. mtls: client certificates;
    verify keeps everybody without a trusted one out of the whole API, passthrough hands them to the bot, which looks at none.
    budget_usd: monthly. github_repository: owner/name whose jobs may deploy; github_oidc_provider: false where another
    environment in this account has made the identity provider. silence_hours: alarm after so long without an alert.
  END
  type = object({
    waf                 = optional(bool)
    multi_az            = optional(bool)
    nat_per_az          = optional(bool)
    deletion_protection = optional(bool)
    discard_data        = optional(bool)
    flow_logs           = optional(bool, true)
    interface_endpoints = optional(bool, false)
    exec                = optional(bool, false)
    arm64               = optional(bool, false)
    spot                = optional(bool, false)
    mtls = optional(object({
      mode          = string
      bundle_bucket = optional(string)
      bundle_key    = optional(string)
    }))
    budget_usd           = optional(number)
    github_repository    = optional(string)
    github_oidc_provider = optional(bool, true)
    silence_hours        = optional(number, 24)
  })
  default = {}

  validation {
    condition     = !(var.features.exec && var.environment == "prod")
    error_message = "exec stays off in prod: a shell in a task holds every key the bot has."
  }

  validation {
    condition     = var.environment != "prod" || (coalesce(var.features.multi_az, true) && coalesce(var.features.waf, true) && var.features.flow_logs)
    error_message = "prod keeps multi_az, waf and flow_logs."
  }

  validation {
    condition     = !(coalesce(var.features.discard_data, false) && var.trading_mode == "live")
    error_message = "discard_data stays off while real money is traded: it would let one command delete database and backups."
  }
}
