output "api_endpoint" {
  description = "Where API Gateway listens, without a slash at the end. Usable once it is deployed."
  value       = aws_apigatewayv2_api.this.api_endpoint

  depends_on = [aws_apigatewayv2_stage.this, aws_apigatewayv2_route.this, aws_lambda_permission.this]
}

output "function_name" {
  description = "Name of the function."
  value       = aws_lambda_function.this.function_name
}
