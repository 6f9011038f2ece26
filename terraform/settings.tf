# From the stack to the settings of the bot.

locals {
  # Settings that follow from the stack: `settings` may not give them.
  own_settings = [
    "TRADING_MODE", "DEPLOYMENT", "LOG_JSON", "HOST", "PORT", "TRUSTED_PROXIES", "ALLOWED_SENDERS", "DATABASE_URL", "REDIS_URL",
    "REDIS_IAM_USER", "REDIS_IAM_CACHE", "SPILL_QUEUE_URL", "BACKUP_URL", "METRICS_EMF", "SECRETS_FROM_AWS", "STRATEGIES_SECRET",
    "STRATEGIES_FILE", "BINANCE_BASE_URL", "SIMULATOR_HOST", "SIMULATOR_PORT", "RELEASE",
  ]

  intake_settings = merge({ for name in ["LOG_LEVEL", "SECRETS_REFRESH_S"] : name => var.settings[name] if contains(keys(var.settings), name) }, {
    TRADING_MODE    = var.trading_mode
    DEPLOYMENT      = var.environment
    LOG_JSON        = "true"
    ALLOWED_SENDERS = join(",", var.webhook_sources)
    SPILL_QUEUE_URL = module.storage.spill_queue_url
  })

  task_settings = merge(var.settings, local.intake_settings, {
    # The load balancer appends the sender's address to X-Forwarded-For.
    TRUSTED_PROXIES = "1"
    DATABASE_URL    = "postgresql://${module.rds.username}@${module.rds.address}:${module.rds.port}/${module.rds.database_name}?sslmode=require"
    REDIS_URL       = "rediss://${module.elasticache.primary_address}:6379/0"
    REDIS_IAM_USER  = module.elasticache.iam_user_id
    REDIS_IAM_CACHE = module.elasticache.replication_group_id
    BACKUP_URL      = "s3://${module.storage.backups_bucket}/${local.backups_prefix}"
  })

  task_secrets = merge(
    { for name, arn in module.secrets.secret_arns : name => { arn = arn, key = null } },
    { DATABASE_PASSWORD = { arn = module.rds.master_secret_arn, key = "password" } },
  )
}
