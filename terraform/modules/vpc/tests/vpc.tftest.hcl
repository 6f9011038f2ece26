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
  name                        = "tradingbot-test"
  availability_zones          = ["ap-southeast-2a", "ap-southeast-2b"]
  flow_logs_bucket_arn        = "arn:aws:s3:::tradingbot-test-logs"
  endpoints_security_group_id = "sg-0123456789abcdef0"
}

run "four_tiers_in_two_zones" {
  command = plan

  assert {
    condition     = aws_vpc.this.cidr_block == "10.0.0.0/16" && aws_vpc.this.enable_dns_hostnames && aws_vpc.this.enable_dns_support
    error_message = "The VPC is 10.0.0.0/16 with DNS."
  }

  assert {
    condition = { for key, subnet in aws_subnet.this : key => subnet.cidr_block } == {
      "public-0"   = "10.0.0.0/24", "public-1" = "10.0.1.0/24"
      "private-0"  = "10.0.10.0/24", "private-1" = "10.0.11.0/24"
      "database-0" = "10.0.20.0/24", "database-1" = "10.0.21.0/24"
      "cache-0"    = "10.0.30.0/24", "cache-1" = "10.0.31.0/24"
    }
    error_message = "The tiers are not where the design puts them."
  }

  assert {
    condition     = alltrue([for key, subnet in aws_subnet.this : subnet.availability_zone == "ap-southeast-2${endswith(key, "0") ? "a" : "b"}"])
    error_message = "Each tier has one subnet in each zone."
  }

  assert {
    condition     = alltrue([for subnet in aws_subnet.this : !subnet.map_public_ip_on_launch])
    error_message = "A subnet gives out public addresses by itself."
  }

  assert {
    condition     = length(aws_default_security_group.closed.ingress) == 0 && length(aws_default_security_group.closed.egress) == 0
    error_message = "The default security group lets something through."
  }
}

run "nat_in_each_zone" {
  command = apply

  assert {
    condition     = length(aws_nat_gateway.this) == 2 && length(aws_eip.nat) == 2 && length(output.nat_public_ips) == 2
    error_message = "Each zone has its NAT gateway and address."
  }

  assert {
    condition     = alltrue([for index in [0, 1] : aws_nat_gateway.this[index].subnet_id == output.public_subnet_ids[index]])
    error_message = "A NAT gateway is not in the public subnet of its zone."
  }

  assert {
    condition     = alltrue([for index in [0, 1] : aws_route.nat[index].nat_gateway_id == aws_nat_gateway.this[index].id && aws_route.nat[index].route_table_id == aws_route_table.private[index].id])
    error_message = "A zone leaves through the other zone's NAT gateway."
  }

  assert {
    condition = alltrue([for index in [0, 1] :
      aws_route_table_association.this["private-${index}"].route_table_id == output.private_route_table_ids[index] &&
      aws_route_table_association.this["public-${index}"].route_table_id == aws_route_table.public.id
    ])
    error_message = "A public or private subnet has the wrong route table."
  }

  assert {
    condition     = alltrue([for key, association in aws_route_table_association.this : association.route_table_id == aws_route_table.isolated.id if startswith(key, "database") || startswith(key, "cache")])
    error_message = "Database or cache subnets have a way out."
  }

  assert {
    condition     = aws_route.internet.gateway_id == aws_internet_gateway.this.id && aws_route.internet.destination_cidr_block == "0.0.0.0/0"
    error_message = "The public subnets do not reach the internet."
  }
}

run "one_nat_for_both_zones" {
  command = apply

  variables {
    nat_per_az = false
  }

  assert {
    condition     = length(aws_nat_gateway.this) == 1 && length(output.nat_public_ips) == 1
    error_message = "There is one NAT gateway with one address."
  }

  assert {
    condition     = alltrue([for route in aws_route.nat : route.nat_gateway_id == aws_nat_gateway.this[0].id]) && length(aws_route.nat) == 2
    error_message = "Both zones leave through the one NAT gateway."
  }
}

run "flow_logs_and_endpoints" {
  command = plan

  variables {
    interface_endpoints = ["ecr.api", "secretsmanager"]
  }

  assert {
    condition     = aws_flow_log.this[0].log_destination == "arn:aws:s3:::tradingbot-test-logs/vpc-flow-logs/" && aws_flow_log.this[0].traffic_type == "ALL" && aws_flow_log.this[0].log_destination_type == "s3"
    error_message = "All flows are written to S3 under vpc-flow-logs/."
  }

  assert {
    condition     = aws_vpc_endpoint.s3.vpc_endpoint_type == "Gateway" && aws_vpc_endpoint.s3.service_name == "com.amazonaws.ap-southeast-2.s3"
    error_message = "S3 has no gateway endpoint."
  }

  assert {
    condition     = toset([for endpoint in aws_vpc_endpoint.interface : endpoint.service_name]) == toset(["com.amazonaws.ap-southeast-2.ecr.api", "com.amazonaws.ap-southeast-2.secretsmanager"])
    error_message = "The interface endpoints are not those asked for."
  }

  assert {
    condition     = alltrue([for endpoint in aws_vpc_endpoint.interface : endpoint.private_dns_enabled && endpoint.security_group_ids == toset(["sg-0123456789abcdef0"])])
    error_message = "An interface endpoint has no private DNS or no security group."
  }
}

run "nothing_optional_unless_asked_for" {
  command = plan

  variables {
    flow_logs            = false
    flow_logs_bucket_arn = null
    cidr_block           = "172.20.0.0/16"
  }

  assert {
    condition     = length(aws_flow_log.this) == 0 && length(aws_vpc_endpoint.interface) == 0
    error_message = "There are flow logs or interface endpoints that nobody asked for."
  }

  assert {
    condition     = aws_subnet.this["cache-1"].cidr_block == "172.20.31.0/24"
    error_message = "The tiers do not follow cidr_block."
  }
}

run "refuses_a_bad_name" {
  command = plan

  variables {
    name = "Tradingbot--prod"
  }

  expect_failures = [var.name]
}

run "refuses_a_small_or_public_range" {
  command = plan

  variables {
    cidr_block = "8.8.0.0/16"
  }

  expect_failures = [var.cidr_block]
}

run "refuses_one_zone_twice" {
  command = plan

  variables {
    availability_zones = ["ap-southeast-2a", "ap-southeast-2a"]
  }

  expect_failures = [var.availability_zones]
}

run "refuses_flow_logs_to_nowhere" {
  command = plan

  variables {
    flow_logs_bucket_arn = null
  }

  expect_failures = [var.flow_logs]
}

run "refuses_an_endpoint_that_s3_has" {
  command = plan

  variables {
    interface_endpoints = ["s3"]
  }

  expect_failures = [var.interface_endpoints]
}

run "refuses_endpoints_without_a_group" {
  command = plan

  variables {
    interface_endpoints         = ["logs"]
    endpoints_security_group_id = null
  }

  expect_failures = [var.interface_endpoints]
}
