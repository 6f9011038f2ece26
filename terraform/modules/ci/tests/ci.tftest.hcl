mock_provider "aws" {
  override_during = plan

  mock_resource "aws_iam_openid_connect_provider" {
    defaults = { arn = "arn:aws:iam::123456789012:oidc-provider/made" }
  }

  mock_data "aws_iam_openid_connect_provider" {
    defaults = { arn = "arn:aws:iam::123456789012:oidc-provider/found" }
  }
}

variables {
  name                = "tradingbot-prod"
  github              = { repository = "you/tradingbot", environment = "prod" }
  repository_arn      = "arn:aws:ecr:ap-southeast-2:123456789012:repository/tradingbot-prod"
  image_parameter_arn = "arn:aws:ssm:ap-southeast-2:123456789012:parameter/tradingbot/prod/image"

  ecs = {
    cluster_arn    = "arn:aws:ecs:ap-southeast-2:123456789012:cluster/tradingbot-prod"
    service_arns   = ["arn:aws:ecs:ap-southeast-2:123456789012:service/tradingbot-prod/tradingbot-prod-api"]
    family_arns    = ["arn:aws:ecs:ap-southeast-2:123456789012:task-definition/tradingbot-prod-api"]
    pass_role_arns = ["arn:aws:iam::123456789012:role/tradingbot-prod-task", "arn:aws:iam::123456789012:role/tradingbot-prod-execution"]
  }
}

run "first_environment_of_the_account" {
  command = plan

  assert {
    condition = jsondecode(aws_iam_role.deploy.assume_role_policy).Statement[0].Condition.StringEquals == {
      "token.actions.githubusercontent.com:aud" = "sts.amazonaws.com"
      "token.actions.githubusercontent.com:sub" = "repo:you/tradingbot:environment:prod"
    }
    error_message = "Jobs of one repository in one environment, compared exactly."
  }

  assert {
    condition     = jsondecode(aws_iam_role.deploy.assume_role_policy).Statement[0].Principal.Federated == "arn:aws:iam::123456789012:oidc-provider/made" && aws_iam_openid_connect_provider.github[0].client_id_list == toset(["sts.amazonaws.com"])
    error_message = "GitHub's tokens for AWS are believed."
  }

  assert {
    condition     = one([for s in jsondecode(aws_iam_role_policy.deploy.policy).Statement : s if s.Sid == "PassTaskRoles"]).Resource == [for arn in var.ecs.pass_role_arns : arn] && one([for s in jsondecode(aws_iam_role_policy.deploy.policy).Statement : s if s.Sid == "PassTaskRoles"]).Condition.StringEquals["iam:PassedToService"] == "ecs-tasks.amazonaws.com"
    error_message = "Tasks are started with their roles and no other."
  }

  assert {
    condition     = alltrue([for s in jsondecode(aws_iam_role_policy.deploy.policy).Statement : !can(regex("\\*", jsonencode(s.Action)))])
    error_message = "No action is a wildcard."
  }

  assert {
    condition     = toset([for s in jsondecode(aws_iam_role_policy.deploy.policy).Statement : s.Sid if s.Resource == "*"]) == toset(["SignInToRegistry", "RegisterRevision", "FindServices"])
    error_message = "Everything that AWS can narrow down is."
  }

  assert {
    condition     = one([for s in jsondecode(aws_iam_role_policy.deploy.policy).Statement : s.Condition.ArnEquals["ecs:cluster"] if s.Sid == "RunOneOff"]) == var.ecs.cluster_arn
    error_message = "One-off tasks run on this cluster."
  }

  assert {
    condition     = one([for s in jsondecode(aws_iam_role_policy.deploy.policy).Statement : s.Resource if s.Sid == "RememberImage"]) == var.image_parameter_arn
    error_message = "The image in force is remembered in one parameter."
  }

  assert {
    condition     = aws_iam_role.deploy.max_session_duration == 7200
    error_message = "A job may be itself for as long as the workflow asks for."
  }

  assert {
    condition = { for s in jsondecode(aws_iam_role_policy.deploy.policy).Statement : s.Sid => s.Resource if strcontains(s.Sid, "Promoted") } == {
      TakePromotedImage = "arn:aws:ecr:ap-southeast-2:123456789012:repository/tradingbot-staging"
      ReadPromotedImage = "arn:aws:ssm:ap-southeast-2:123456789012:parameter/tradingbot/staging/image"
    }
    error_message = "prod may take what staging runs."
  }

  assert {
    condition     = alltrue([for s in jsondecode(aws_iam_role_policy.deploy.policy).Statement : !can(regex("Put|Upload|Complete", jsonencode(s.Action))) if strcontains(s.Sid, "Promoted")])
    error_message = "It takes from staging and writes nothing there."
  }
}

run "another_environment_has_made_the_provider" {
  command = plan

  variables {
    create_provider = false
  }

  assert {
    condition     = length(aws_iam_openid_connect_provider.github) == 0 && jsondecode(aws_iam_role.deploy.assume_role_policy).Statement[0].Principal.Federated == "arn:aws:iam::123456789012:oidc-provider/found"
    error_message = "The account's provider is used, not made again."
  }
}

run "staging_takes_from_nobody" {
  command = plan

  variables {
    name                = "tradingbot-staging"
    github              = { repository = "you/tradingbot", environment = "staging" }
    repository_arn      = "arn:aws:ecr:ap-southeast-2:123456789012:repository/tradingbot-staging"
    image_parameter_arn = "arn:aws:ssm:ap-southeast-2:123456789012:parameter/tradingbot/staging/image"
  }

  assert {
    condition     = !strcontains(aws_iam_role_policy.deploy.policy, "Promoted")
    error_message = "What staging runs was built for it."
  }
}

run "refuses" {
  command = plan

  variables {
    name                = "A"
    github              = { repository = "you/*", environment = "prod" }
    repository_arn      = "arn:aws:ecr:ap-southeast-2:123456789012:repository/*"
    image_parameter_arn = "arn:aws:ssm:ap-southeast-2:123456789012:parameter/*"
    ecs                 = { cluster_arn = "arn:aws:ecs:ap-southeast-2:123456789012:cluster/*", service_arns = [], family_arns = [], pass_role_arns = ["arn:aws:iam::123456789012:role/a"] }
  }

  expect_failures = [var.name, var.github, var.repository_arn, var.image_parameter_arn, var.ecs]
}

run "refuses_any_environment_and_any_role" {
  command = plan

  variables {
    github = { repository = "you/tradingbot", environment = "*" }
    ecs    = { cluster_arn = "arn:aws:ecs:ap-southeast-2:123456789012:cluster/c", service_arns = [], family_arns = [], pass_role_arns = ["arn:aws:iam::123456789012:role/*"] }
  }

  expect_failures = [var.github, var.ecs]
}
