mock_provider "aws" {
  override_during = plan
}

variables {
  name              = "tradingbot-test"
  subnet_ids        = ["subnet-0000000a", "subnet-0000000b"]
  security_group_id = "sg-0123456789abcdef0"
  kms_key_arn       = "arn:aws:kms:ap-southeast-2:123456789012:key/11111111-2222-3333-4444-555555555555"
}

run "encrypted_in_transit_and_at_rest" {
  command = plan

  assert {
    condition     = aws_elasticache_replication_group.this.transit_encryption_enabled
    error_message = "Redis takes connections without TLS."
  }

  assert {
    condition     = aws_elasticache_replication_group.this.at_rest_encryption_enabled == "true" && aws_elasticache_replication_group.this.kms_key_id == var.kms_key_arn
    error_message = "Redis is not encrypted with the environment's key."
  }

  assert {
    condition     = aws_elasticache_replication_group.this.engine == "redis" && aws_elasticache_replication_group.this.engine_version == "7.1" && aws_elasticache_parameter_group.this.family == "redis7"
    error_message = "The engine is not Redis 7.1."
  }

  assert {
    condition     = aws_elasticache_replication_group.this.security_group_ids == toset([var.security_group_id]) && aws_elasticache_subnet_group.this.subnet_ids == toset(var.subnet_ids)
    error_message = "Redis is not in its subnets and its group."
  }
}

run "tasks_sign_in_by_role_and_nobody_else" {
  command = plan

  assert {
    condition     = one(aws_elasticache_user.app.authentication_mode).type == "iam" && aws_elasticache_user.app.user_id == aws_elasticache_user.app.user_name && output.iam_user_id == "tradingbot-test-app"
    error_message = "The application does not sign in by its IAM role under one name."
  }

  assert {
    condition     = aws_elasticache_user.app.passwords == null && aws_elasticache_user.default.passwords == null && aws_elasticache_replication_group.this.auth_token == null
    error_message = "There is a password, which would be in state."
  }

  assert {
    condition     = aws_elasticache_user.default.user_name == "default" && aws_elasticache_user.default.access_string == "off ~keys* -@all +get"
    error_message = "A client that does not sign in may do something."
  }

  assert {
    condition     = startswith(aws_elasticache_user.app.access_string, "on ") && endswith(aws_elasticache_user.app.access_string, " -@dangerous") && !strcontains(aws_elasticache_user.app.access_string, "+@all")
    error_message = "The application may administer Redis."
  }

  assert {
    condition     = aws_elasticache_user_group.this.user_ids == toset(["tradingbot-test-app", "tradingbot-test-default"]) && aws_elasticache_replication_group.this.user_group_ids == toset([aws_elasticache_user_group.this.user_group_id])
    error_message = "Redis is not held by the two users."
  }
}

run "a_replica_takes_over" {
  command = plan

  assert {
    condition     = aws_elasticache_replication_group.this.num_cache_clusters == 2 && aws_elasticache_replication_group.this.automatic_failover_enabled && aws_elasticache_replication_group.this.multi_az_enabled
    error_message = "Nothing takes over when the primary fails."
  }

  assert {
    condition     = output.cache_cluster_ids == ["tradingbot-test-001", "tradingbot-test-002"]
    error_message = "The nodes that alarms look at are not those that exist."
  }

  assert {
    condition     = { for parameter in aws_elasticache_parameter_group.this.parameter : parameter.name => parameter.value } == { "maxmemory-policy" = "volatile-lru" }
    error_message = "A full cache would refuse writes or give up what has no time to live."
  }
}

run "one_node_alone" {
  command = plan

  variables {
    replicas          = 0
    node_type         = "cache.t4g.small"
    apply_immediately = true
  }

  assert {
    condition     = aws_elasticache_replication_group.this.num_cache_clusters == 1 && !aws_elasticache_replication_group.this.automatic_failover_enabled && !aws_elasticache_replication_group.this.multi_az_enabled
    error_message = "One node cannot fail over; AWS refuses the wish."
  }

  assert {
    condition     = aws_elasticache_replication_group.this.node_type == "cache.t4g.small" && aws_elasticache_replication_group.this.apply_immediately && length(output.cache_cluster_ids) == 1
    error_message = "The node is not of the size set."
  }
}

run "its_logs_are_kept" {
  command = plan

  variables {
    log_retention_days = 30
  }

  assert {
    condition     = toset([for log in aws_elasticache_replication_group.this.log_delivery_configuration : log.log_type]) == toset(["slow-log", "engine-log"])
    error_message = "Slow log or engine log is not delivered."
  }

  assert {
    condition     = alltrue([for group in aws_cloudwatch_log_group.this : group.retention_in_days == 30 && group.kms_key_id == var.kms_key_arn])
    error_message = "A log is not encrypted, or not kept as set."
  }
}

run "refuses_a_long_name" {
  command = plan

  variables {
    name = "tradingbot-with-a-name-that-is-too-long"
  }

  expect_failures = [var.name]
}

run "refuses_a_single_subnet" {
  command = plan

  variables {
    subnet_ids = ["subnet-0000000a"]
  }

  expect_failures = [var.subnet_ids]
}

run "refuses_a_key_that_is_no_arn" {
  command = plan

  variables {
    kms_key_arn = "key"
  }

  expect_failures = [var.kms_key_arn]
}

run "refuses_a_version_without_iam" {
  command = plan

  variables {
    engine_version = "6.2"
  }

  expect_failures = [var.engine_version]
}

run "refuses_a_class_of_another_service" {
  command = plan

  variables {
    node_type = "db.t4g.micro"
  }

  expect_failures = [var.node_type]
}

run "refuses_six_replicas" {
  command = plan

  variables {
    replicas = 6
  }

  expect_failures = [var.replicas]
}

run "refuses_a_retention_unknown_to_cloudwatch" {
  command = plan

  variables {
    log_retention_days = 1
  }

  expect_failures = [var.log_retention_days]
}
