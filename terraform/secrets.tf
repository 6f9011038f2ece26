# Secrets are ephemeral: they go to Secrets Manager and into no plan and no state. Export TF_VAR_secret_key and so on for
# the run that makes them; later values are given with `aws secretsmanager put-secret-value`.

locals {
  secret_names = [
    "SECRET_KEY", "WEBHOOK_SECRET", "ENCRYPTION_KEY", "API_TOKEN", "BINANCE_API_KEY", "BINANCE_API_SECRET", "OKX_API_KEY",
    "OKX_API_SECRET", "OKX_PASSPHRASE", "OPENAI_API_KEY", "ANTHROPIC_API_KEY", "TELEGRAM_BOT_TOKEN", "SENTRY_DSN",
    "OTEL_EXPORTER_OTLP_HEADERS",
  ]
}

variable "secret_key" {
  description = "SECRET_KEY: openssl rand -hex 32"
  type        = string
  default     = null
  ephemeral   = true
  sensitive   = true

  validation {
    condition     = var.secret_key == null ? true : length(var.secret_key) >= 32
    error_message = "secret_key has at least 32 characters: openssl rand -hex 32"
  }
}

variable "webhook_secret" {
  description = "WEBHOOK_SECRET: openssl rand -hex 32"
  type        = string
  default     = null
  ephemeral   = true
  sensitive   = true

  validation {
    condition     = var.webhook_secret == null ? true : length(var.webhook_secret) >= 43
    error_message = "webhook_secret has at least 43 characters: openssl rand -hex 32"
  }
}

variable "encryption_key" {
  description = "ENCRYPTION_KEY, without which no backup can be read again: openssl rand -hex 32"
  type        = string
  default     = null
  ephemeral   = true
  sensitive   = true

  validation {
    condition     = var.encryption_key == null ? true : can(regex("^([0-9a-fA-F]{64}|[A-Za-z0-9+/_-]{43}=?)$", var.encryption_key))
    error_message = "encryption_key is 32 bytes in hexadecimal or base64: openssl rand -hex 32"
  }
}

variable "api_token" {
  description = "API_TOKEN: openssl rand -hex 32"
  type        = string
  default     = null
  ephemeral   = true
  sensitive   = true

  validation {
    condition     = var.api_token == null ? true : length(var.api_token) >= 32
    error_message = "api_token has at least 32 characters: openssl rand -hex 32"
  }
}

variable "binance_api_key" {
  description = "BINANCE_API_KEY"
  type        = string
  default     = null
  ephemeral   = true
  sensitive   = true
}

variable "binance_api_secret" {
  description = "BINANCE_API_SECRET"
  type        = string
  default     = null
  ephemeral   = true
  sensitive   = true
}

variable "okx_api_key" {
  description = "OKX_API_KEY"
  type        = string
  default     = null
  ephemeral   = true
  sensitive   = true
}

variable "okx_api_secret" {
  description = "OKX_API_SECRET"
  type        = string
  default     = null
  ephemeral   = true
  sensitive   = true
}

variable "okx_passphrase" {
  description = "OKX_PASSPHRASE"
  type        = string
  default     = null
  ephemeral   = true
  sensitive   = true
}

variable "openai_api_key" {
  description = "OPENAI_API_KEY"
  type        = string
  default     = null
  ephemeral   = true
  sensitive   = true
}

variable "anthropic_api_key" {
  description = "ANTHROPIC_API_KEY"
  type        = string
  default     = null
  ephemeral   = true
  sensitive   = true
}

variable "telegram_bot_token" {
  description = "TELEGRAM_BOT_TOKEN"
  type        = string
  default     = null
  ephemeral   = true
  sensitive   = true
}

variable "sentry_dsn" {
  description = "SENTRY_DSN"
  type        = string
  default     = null
  ephemeral   = true
  sensitive   = true
}

variable "otel_exporter_otlp_headers" {
  description = "OTEL_EXPORTER_OTLP_HEADERS: name=value, separated by commas; most collectors want a key there"
  type        = string
  default     = null
  ephemeral   = true
  sensitive   = true
}

variable "strategies" {
  description = "STRATEGIES: the text of strategies.yaml"
  type        = string
  default     = null
  ephemeral   = true
  sensitive   = true
}
