# The whole stack: network, data, edge, tasks, watch, delivery. What belongs together is in modules/; this file joins them.

locals {
  name           = "${var.project}-${var.environment}"
  prod           = var.environment == "prod"
  backups_prefix = "backups"

  waf                 = coalesce(var.features.waf, var.environment != "dev")
  multi_az            = coalesce(var.features.multi_az, var.environment != "dev")
  nat_per_az          = coalesce(var.features.nat_per_az, local.prod)
  deletion_protection = coalesce(var.features.deletion_protection, local.prod)
  discard_data        = coalesce(var.features.discard_data, var.environment == "dev")
  cache_replicas      = coalesce(var.sizes.cache_replicas, local.prod ? 1 : 0)
}

# Which stack this state describes. Another environment's variables on it would tear down one stack to build the other.
resource "terraform_data" "stack" {
  input = "${local.name} in ${var.region}"

  lifecycle {
    ignore_changes = [input]

    postcondition {
      condition     = self.input == "${local.name} in ${var.region}"
      error_message = "This state is that of another stack (${self.input}). Change to yours: terraform init -reconfigure -backend-config=${var.environment}.hcl"
    }
  }
}

data "aws_availability_zones" "this" {
  state = "available"

  # Zones a to d, of which the first two that this account has are used: in some regions an account lacks a or b.
  filter {
    name   = "zone-name"
    values = formatlist("${var.region}%s", ["a", "b", "c", "d"])
  }
}

module "secrets" {
  source = "./modules/secrets"

  name                 = local.name
  prefix               = "${var.project}/${var.environment}"
  recovery_window_days = local.discard_data ? 0 : 30
  key_deletion_days    = local.discard_data ? 7 : 30

  values = {
    SECRET_KEY                 = var.secret_key
    WEBHOOK_SECRET             = var.webhook_secret
    ENCRYPTION_KEY             = var.encryption_key
    API_TOKEN                  = var.api_token
    BINANCE_API_KEY            = var.binance_api_key
    BINANCE_API_SECRET         = var.binance_api_secret
    OKX_API_KEY                = var.okx_api_key
    OKX_API_SECRET             = var.okx_api_secret
    OKX_PASSPHRASE             = var.okx_passphrase
    OPENAI_API_KEY             = var.openai_api_key
    ANTHROPIC_API_KEY          = var.anthropic_api_key
    TELEGRAM_BOT_TOKEN         = var.telegram_bot_token
    SENTRY_DSN                 = var.sentry_dsn
    OTEL_EXPORTER_OTLP_HEADERS = var.otel_exporter_otlp_headers
    STRATEGIES                 = var.strategies
  }
}

module "storage" {
  source = "./modules/storage"

  name             = local.name
  kms_key_arn      = module.secrets.kms_key_arn
  backup_lock_days = local.prod ? 30 : 0
  force_destroy    = local.discard_data
}

module "vpc" {
  source = "./modules/vpc"

  name                        = local.name
  availability_zones          = slice(sort(data.aws_availability_zones.this.names), 0, 2)
  nat_per_az                  = local.nat_per_az
  flow_logs                   = var.features.flow_logs
  flow_logs_bucket_arn        = module.storage.logs_bucket_arn
  interface_endpoints         = var.features.interface_endpoints ? ["ecr.api", "ecr.dkr", "kms", "logs", "secretsmanager", "sqs"] : []
  endpoints_security_group_id = module.security_groups.endpoints_id
}

module "security_groups" {
  source = "./modules/security_groups"

  name   = local.name
  vpc_id = module.vpc.vpc_id
}

module "rds" {
  source = "./modules/rds"

  name               = local.name
  subnet_ids         = module.vpc.database_subnet_ids
  security_group_id  = module.security_groups.rds_id
  kms_key_arn        = module.secrets.kms_key_arn
  instance_class     = var.sizes.db_class
  storage_gb         = { initial = var.sizes.db_storage_gb, max = var.sizes.db_max_storage_gb }
  multi_az           = local.multi_az
  protected          = local.deletion_protection
  keep_data          = !local.discard_data
  log_retention_days = var.sizes.log_retention_days
}

module "elasticache" {
  source = "./modules/elasticache"

  name               = local.name
  subnet_ids         = module.vpc.cache_subnet_ids
  security_group_id  = module.security_groups.redis_id
  kms_key_arn        = module.secrets.kms_key_arn
  node_type          = var.sizes.cache_node
  replicas           = local.cache_replicas
  log_retention_days = var.sizes.log_retention_days
}

module "ecr" {
  source = "./modules/ecr"

  name          = local.name
  kms_key_arn   = module.secrets.kms_key_arn
  lambda_access = var.intake == "lambda"
  force_delete  = local.discard_data
}

module "alb" {
  source = "./modules/alb"

  name                = local.name
  vpc_id              = module.vpc.vpc_id
  subnet_ids          = module.vpc.public_subnet_ids
  security_group_id   = module.security_groups.alb_id
  logs_bucket         = module.storage.logs_bucket
  domain              = var.domain_name == null ? null : { name = var.domain_name, zone_id = var.hosted_zone_id }
  webhook_sources     = var.intake == "alb" ? var.webhook_sources : []
  deletion_protection = local.deletion_protection
  waf                 = { enabled = local.waf, log_retention_days = var.sizes.log_retention_days }
  mutual_tls          = var.features.mtls
  kms_key_arn         = module.secrets.kms_key_arn
}

module "ecs" {
  source = "./modules/ecs"

  name                  = local.name
  image                 = local.image
  environment           = local.task_settings
  secrets               = local.task_secrets
  strategies_secret_arn = module.secrets.strategies_secret_arn
  kms_key_arn           = module.secrets.kms_key_arn
  alarm_topic_arn       = module.cloudwatch.alarm_topic_arn
  deployment_alarms     = module.cloudwatch.deployment_alarm_names

  sizes = {
    api_cpu       = var.sizes.api_cpu
    api_memory    = var.sizes.api_memory
    api_min       = var.sizes.api_min
    api_max       = var.sizes.api_max
    worker_cpu    = var.sizes.worker_cpu
    worker_memory = var.sizes.worker_memory
    worker_count  = var.sizes.worker_count
    venue_cpu     = var.sizes.venue_cpu
    venue_memory  = var.sizes.venue_memory
  }

  network = {
    vpc_id                   = module.vpc.vpc_id
    subnet_ids               = module.vpc.private_subnet_ids
    api_security_group_id    = module.security_groups.api_id
    worker_security_group_id = module.security_groups.worker_id
    venue_security_group_id  = module.security_groups.venue_id
  }

  load_balancer = {
    target_group_arn        = module.alb.api_target_group_arn
    arn_suffix              = module.alb.arn_suffix
    target_group_arn_suffix = module.alb.target_group_arn_suffix
  }

  access = {
    repository_arn  = module.ecr.repository_arn
    spill_queue_arn = module.storage.spill_queue_arn
    backups_bucket  = module.storage.backups_bucket_arn
    backups_prefix  = local.backups_prefix
    cache_arns      = [module.elasticache.replication_group_arn, module.elasticache.user_arn]
  }

  options = {
    venue              = var.trading_mode == "paper"
    exec               = var.features.exec
    arm64              = var.features.arm64
    spot               = var.features.spot
    log_retention_days = var.sizes.log_retention_days
  }
}

module "cloudwatch" {
  source = "./modules/cloudwatch"

  name        = local.name
  deployment  = var.environment
  alarm_email = var.alarm_email
  kms_key_arn = module.secrets.kms_key_arn
  budget_usd  = var.features.budget_usd
  limits      = { silence_hours = var.features.silence_hours }

  watched = {
    cluster_name            = module.ecs.cluster_name
    service_names           = module.ecs.service_names
    alb_arn_suffix          = module.alb.arn_suffix
    target_group_arn_suffix = module.alb.target_group_arn_suffix
    db_instance_id          = module.rds.instance_id
    cache_cluster_ids       = module.elasticache.cache_cluster_ids
    spill_queue_name        = module.storage.spill_queue_name
    dead_letter_name        = module.storage.spill_dead_letter_name
    log_group_name          = module.ecs.log_group_name
  }
}

module "ci" {
  source = "./modules/ci"
  count  = var.features.github_repository == null ? 0 : 1

  name                = local.name
  github              = { repository = var.features.github_repository, environment = var.environment }
  create_provider     = var.features.github_oidc_provider
  repository_arn      = module.ecr.repository_arn
  image_parameter_arn = aws_ssm_parameter.image.arn

  ecs = {
    cluster_arn    = module.ecs.cluster_arn
    service_arns   = module.ecs.service_arns
    family_arns    = module.ecs.family_arns
    pass_role_arns = module.ecs.pass_role_arns
  }
}

module "intake_lambda" {
  source = "./modules/intake_lambda"
  count  = var.intake == "lambda" ? 1 : 0

  name                  = local.name
  image                 = local.lambda_image
  environment           = local.intake_settings
  secret_arns           = { for name in ["WEBHOOK_SECRET"] : name => module.secrets.secret_arns[name] }
  strategies_secret_arn = module.secrets.strategies_secret_arn
  spill_queue_arn       = module.storage.spill_queue_arn
  kms_key_arn           = module.secrets.kms_key_arn
  alarm_topic_arn       = module.cloudwatch.alarm_topic_arn
  options               = { arm64 = var.features.arm64, log_retention_days = var.sizes.log_retention_days }

  network = {
    subnet_ids        = module.vpc.private_subnet_ids
    security_group_id = module.security_groups.lambda_id
  }
}
