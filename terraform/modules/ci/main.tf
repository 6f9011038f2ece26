# GitHub's jobs sign in with a token of their own; no key of AWS lies anywhere.

locals {
  issuer = "token.actions.githubusercontent.com"

  # prod is given what staging runs: the same project's repository and note of the image, in this account and region.
  promoted = var.github.environment == "prod" && endswith(var.name, "-prod") ? [{
    repository = "${trimsuffix(var.repository_arn, "/${var.name}")}/${trimsuffix(var.name, "prod")}staging"
    parameter  = replace(var.image_parameter_arn, "/[/]prod[/]/", "/staging/")
  }] : []
}

resource "aws_iam_openid_connect_provider" "github" {
  count = var.create_provider ? 1 : 0

  url            = "https://${local.issuer}"
  client_id_list = ["sts.amazonaws.com"]
}

data "aws_iam_openid_connect_provider" "github" {
  count = var.create_provider ? 0 : 1

  url = "https://${local.issuer}"
}

resource "aws_iam_role" "deploy" {
  name                 = "${var.name}-deploy"
  description          = "Jobs of ${var.github.repository} in the environment ${var.github.environment}: push an image, roll it out."
  max_session_duration = 7200 # the workflow asks for as much: a slow build, then a rollout of up to 30 minutes per service

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRoleWithWebIdentity"
      Principal = { Federated = one(concat(aws_iam_openid_connect_provider.github[*].arn, data.aws_iam_openid_connect_provider.github[*].arn)) }
      Condition = { StringEquals = {
        "${local.issuer}:aud" = "sts.amazonaws.com"
        "${local.issuer}:sub" = "repo:${var.github.repository}:environment:${var.github.environment}"
      } }
    }]
  })
}

resource "aws_iam_role_policy" "deploy" {
  #checkov:skip=CKV_AWS_290:RegisterTaskDefinition knows no narrower resource; what a new revision may do is bounded by the roles that can be passed
  #checkov:skip=CKV_AWS_355:RegisterTaskDefinition, DeregisterTaskDefinition, DescribeTaskDefinition and GetAuthorizationToken know no narrower resource
  name = "deploy"
  role = aws_iam_role.deploy.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat([
      {
        Sid      = "SignInToRegistry"
        Effect   = "Allow"
        Action   = "ecr:GetAuthorizationToken"
        Resource = "*"
      },
      {
        Sid    = "PushImage"
        Effect = "Allow"
        Action = [
          "ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:CompleteLayerUpload", "ecr:DescribeImages",
          "ecr:DescribeImageScanFindings", "ecr:GetDownloadUrlForLayer", "ecr:InitiateLayerUpload", "ecr:PutImage",
          "ecr:UploadLayerPart",
        ]
        Resource = var.repository_arn
      },
      {
        Sid      = "RegisterRevision"
        Effect   = "Allow"
        Action   = ["ecs:DeregisterTaskDefinition", "ecs:DescribeTaskDefinition", "ecs:RegisterTaskDefinition"]
        Resource = "*"
      },
      {
        Sid      = "TagRevision"
        Effect   = "Allow"
        Action   = "ecs:TagResource"
        Resource = [for arn in var.ecs.family_arns : "${arn}:*"]
      },
      {
        Sid       = "RunOneOff"
        Effect    = "Allow"
        Action    = "ecs:RunTask"
        Resource  = flatten([for arn in var.ecs.family_arns : [arn, "${arn}:*"]])
        Condition = { ArnEquals = { "ecs:cluster" = var.ecs.cluster_arn } }
      },
      {
        Sid       = "FollowTasks"
        Effect    = "Allow"
        Action    = "ecs:DescribeTasks"
        Resource  = "${replace(var.ecs.cluster_arn, ":cluster/", ":task/")}/*"
        Condition = { ArnEquals = { "ecs:cluster" = var.ecs.cluster_arn } }
      },
      {
        Sid      = "RollOut"
        Effect   = "Allow"
        Action   = ["ecs:DescribeServices", "ecs:UpdateService"]
        Resource = var.ecs.service_arns
      },
      {
        # Services are found by their cluster, which this action takes as a condition only.
        Sid       = "FindServices"
        Effect    = "Allow"
        Action    = "ecs:ListServices"
        Resource  = "*"
        Condition = { ArnEquals = { "ecs:cluster" = var.ecs.cluster_arn } }
      },
      {
        Sid       = "PassTaskRoles"
        Effect    = "Allow"
        Action    = "iam:PassRole"
        Resource  = var.ecs.pass_role_arns
        Condition = { StringEquals = { "iam:PassedToService" = "ecs-tasks.amazonaws.com" } }
      },
      {
        Sid      = "RememberImage"
        Effect   = "Allow"
        Action   = ["ssm:GetParameter", "ssm:PutParameter"]
        Resource = var.image_parameter_arn
      },
      ], flatten([for from in local.promoted : [
        {
          Sid      = "TakePromotedImage"
          Effect   = "Allow"
          Action   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:DescribeImages", "ecr:GetDownloadUrlForLayer"]
          Resource = from.repository
        },
        {
          Sid      = "ReadPromotedImage"
          Effect   = "Allow"
          Action   = "ssm:GetParameter"
          Resource = from.parameter
        },
    ]]))
  })
}
