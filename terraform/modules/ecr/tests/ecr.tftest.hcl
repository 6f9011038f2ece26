mock_provider "aws" {
  override_during = plan

  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }

  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }

  mock_data "aws_region" {
    defaults = { name = "ap-southeast-2" }
  }
}

variables {
  name        = "tradingbot-test"
  kms_key_arn = "arn:aws:kms:ap-southeast-2:123456789012:key/11111111-2222-3333-4444-555555555555"
}

run "tags_are_written_once" {
  command = plan

  assert {
    condition     = aws_ecr_repository.this.image_tag_mutability == "IMMUTABLE"
    error_message = "What runs under a tag may not be what was tested under it."
  }

  assert {
    condition     = one(aws_ecr_repository.this.image_scanning_configuration).scan_on_push
    error_message = "Images are not scanned when they are pushed."
  }

  assert {
    condition     = one(aws_ecr_repository.this.encryption_configuration).encryption_type == "KMS" && one(aws_ecr_repository.this.encryption_configuration).kms_key == var.kms_key_arn
    error_message = "Images are not encrypted with the environment's key."
  }

  assert {
    condition     = !aws_ecr_repository.this.force_delete && output.repository_name == "tradingbot-test"
    error_message = "Destroy would delete images without being told to."
  }
}

run "images_expire" {
  command = plan

  variables {
    keep_images   = 12
    untagged_days = 3
  }

  assert {
    condition     = [for rule in jsondecode(aws_ecr_lifecycle_policy.this.policy).rules : "${rule.selection.tagStatus} ${rule.selection.countType} ${rule.selection.countNumber}"] == ["untagged sinceImagePushed 3", "any imageCountMoreThan 12"]
    error_message = "Images do not expire as set."
  }
}

run "lambda_pulls_only_when_used" {
  command = plan

  assert {
    condition     = length(aws_ecr_repository_policy.lambda) == 0
    error_message = "Lambda may pull although the function is not used."
  }
}

run "lambda_of_this_account_pulls" {
  command = plan

  variables {
    lambda_access = true
  }

  assert {
    condition = alltrue([
      for statement in jsondecode(aws_ecr_repository_policy.lambda[0].policy).Statement :
      statement.Principal == { Service = "lambda.amazonaws.com" } && statement.Condition.ArnLike["aws:SourceArn"] == "arn:aws:lambda:ap-southeast-2:123456789012:function:*"
    ])
    error_message = "Someone else than Lambda in this account may pull."
  }

  assert {
    condition     = alltrue([for statement in jsondecode(aws_ecr_repository_policy.lambda[0].policy).Statement : toset(statement.Action) == toset(["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"])])
    error_message = "Lambda may do more than pull."
  }
}

run "refuses_a_bad_name" {
  command = plan

  variables {
    name = "-x-"
  }

  expect_failures = [var.name]
}

run "refuses_a_key_that_is_no_arn" {
  command = plan

  variables {
    kms_key_arn = "alias/aws/ecr"
  }

  expect_failures = [var.kms_key_arn]
}

run "refuses_to_keep_too_few" {
  command = plan

  variables {
    keep_images = 1
  }

  expect_failures = [var.keep_images]
}

run "refuses_to_keep_untagged_for_ever" {
  command = plan

  variables {
    untagged_days = 0
  }

  expect_failures = [var.untagged_days]
}
