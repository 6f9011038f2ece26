# Which image is in force. The deploy command writes it into a parameter; who applies without naming an image keeps it.

data "aws_ssm_parameters_by_path" "images" {
  path = "/${var.project}/${var.environment}"
}

locals {
  image_parameter        = "/${var.project}/${var.environment}/image"
  lambda_image_parameter = "/${var.project}/${var.environment}/lambda-image"

  in_force     = nonsensitive(zipmap(data.aws_ssm_parameters_by_path.images.names, data.aws_ssm_parameters_by_path.images.values))
  image        = var.image != null ? var.image : lookup(local.in_force, local.image_parameter, "none yet")
  lambda_image = var.lambda_image != null ? var.lambda_image : lookup(local.in_force, local.lambda_image_parameter, "none yet")
}

resource "aws_ssm_parameter" "image" {
  #checkov:skip=CKV2_AWS_34:A digest is no secret, and the deploy job reads it without the right to decrypt
  name           = local.image_parameter
  description    = "Image of the tasks of ${local.name}, by digest"
  type           = "String"
  insecure_value = local.image
}

resource "aws_ssm_parameter" "lambda_image" {
  #checkov:skip=CKV2_AWS_34:A digest is no secret
  count = var.intake == "lambda" ? 1 : 0

  name           = local.lambda_image_parameter
  description    = "Image of the intake function of ${local.name}, by digest"
  type           = "String"
  insecure_value = local.lambda_image
}
