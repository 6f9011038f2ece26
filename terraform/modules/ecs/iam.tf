# Who may do what. The execution role starts tasks; the task role is what the bot itself may do; only backups see backups.

locals {
  assume = {
    for service in ["ecs-tasks", "scheduler"] : service => jsonencode({
      Version = "2012-10-17"
      Statement = [{
        Effect    = "Allow"
        Action    = "sts:AssumeRole"
        Principal = { Service = "${service}.amazonaws.com" }
        Condition = { StringEquals = { "aws:SourceAccount" = data.aws_caller_identity.current.account_id } }
      }]
    })
  }

  secret_arns = distinct([for secret in values(var.secrets) : secret.arn])
}

resource "aws_iam_role" "execution" {
  name               = "${var.name}-execution"
  description        = "Starts tasks: pulls the image, injects secrets, opens log streams."
  assume_role_policy = local.assume["ecs-tasks"]
}

resource "aws_iam_role_policy" "execution" {
  name = "start-tasks"
  role = aws_iam_role.execution.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        # A sign-in to the registry belongs to no repository: AWS knows no narrower resource for it.
        Sid      = "SignInToRegistry"
        Effect   = "Allow"
        Action   = "ecr:GetAuthorizationToken"
        Resource = "*"
      },
      {
        Sid      = "PullImage"
        Effect   = "Allow"
        Action   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
        Resource = var.access.repository_arn
      },
      {
        Sid      = "WriteLog"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = "${aws_cloudwatch_log_group.tasks.arn}:*"
      },
      {
        Sid      = "InjectSecrets"
        Effect   = "Allow"
        Action   = "secretsmanager:GetSecretValue"
        Resource = local.secret_arns
      },
      {
        Sid       = "DecryptSecrets"
        Effect    = "Allow"
        Action    = "kms:Decrypt"
        Resource  = var.kms_key_arn
        Condition = { StringEquals = { "kms:ViaService" = "secretsmanager.${local.region}.amazonaws.com" } }
      },
    ]
  })
}

resource "aws_iam_role" "task" {
  name               = "${var.name}-task"
  description        = "What api and worker may do."
  assume_role_policy = local.assume["ecs-tasks"]
}

resource "aws_iam_role_policy" "task" {
  name = "run"
  role = aws_iam_role.task.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "FollowSecrets"
        Effect   = "Allow"
        Action   = ["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"]
        Resource = concat(local.secret_arns, [var.strategies_secret_arn])
      },
      {
        # One call for all of them instead of one each; AWS takes no resource here, and hands out what the statement above names.
        Sid      = "FollowSecretsTogether"
        Effect   = "Allow"
        Action   = "secretsmanager:BatchGetSecretValue"
        Resource = "*"
      },
      {
        Sid    = "SpillAndDrain"
        Effect = "Allow"
        Action = [
          "sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:GetQueueUrl",
          "sqs:ReceiveMessage", "sqs:SendMessage",
        ]
        Resource = var.access.spill_queue_arn
      },
      {
        Sid      = "UseKey"
        Effect   = "Allow"
        Action   = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource = var.kms_key_arn
        Condition = { StringEquals = {
          "kms:ViaService" = ["secretsmanager.${local.region}.amazonaws.com", "sqs.${local.region}.amazonaws.com"]
        } }
      },
      {
        Sid      = "SignInToCache"
        Effect   = "Allow"
        Action   = "elasticache:Connect"
        Resource = var.access.cache_arns
      },
    ]
  })
}

resource "aws_iam_role_policy" "shell" {
  count = var.options.exec ? 1 : 0

  name = "open-shell"
  role = aws_iam_role.task.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        # Channels have no ARN before they are opened.
        Sid    = "Shell"
        Effect = "Allow"
        Action = [
          "ssmmessages:CreateControlChannel", "ssmmessages:CreateDataChannel",
          "ssmmessages:OpenControlChannel", "ssmmessages:OpenDataChannel",
        ]
        Resource = "*"
      },
      {
        Sid      = "EncryptShell"
        Effect   = "Allow"
        Action   = "kms:Decrypt"
        Resource = var.kms_key_arn
      },
      {
        # What was typed and shown goes to the log. The agent looks for the group by listing.
        Sid      = "FindLog"
        Effect   = "Allow"
        Action   = "logs:DescribeLogGroups"
        Resource = "*"
      },
      {
        Sid      = "RecordShell"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"]
        Resource = "${aws_cloudwatch_log_group.tasks.arn}:*"
      },
    ]
  })
}

resource "aws_iam_role" "backup" {
  name               = "${var.name}-backup"
  description        = "Writes backups and reads them back. Cannot delete any: the bucket's lifecycle does."
  assume_role_policy = local.assume["ecs-tasks"]
}

resource "aws_iam_role_policy" "backup" {
  name = "back-up"
  role = aws_iam_role.backup.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "WriteAndVerify"
        Effect   = "Allow"
        Action   = ["s3:AbortMultipartUpload", "s3:GetObject", "s3:ListMultipartUploadParts", "s3:PutObject"]
        Resource = "${var.access.backups_bucket}/${var.access.backups_prefix}/*"
      },
      {
        Sid       = "FindLatest"
        Effect    = "Allow"
        Action    = "s3:ListBucket"
        Resource  = var.access.backups_bucket
        Condition = { StringLike = { "s3:prefix" = "${var.access.backups_prefix}/*" } }
      },
      {
        Sid       = "UseKey"
        Effect    = "Allow"
        Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource  = var.kms_key_arn
        Condition = { StringEquals = { "kms:ViaService" = "s3.${local.region}.amazonaws.com" } }
      },
    ]
  })
}
