# What the log says in numbers, and the questions one asks it.

locals {
  filters = {
    # Logged once the archive was read back from where it belongs; sound: the audit log in it is whole.
    BackupsWritten = "{ ($.event = \"backup written\") && ($.sound IS TRUE) }"
    LogErrors      = "{ $.level = \"error\" }"
    SignalsTaken   = "{ $.event = \"alert taken\" }"
    OrdersFilled   = "{ $.event = \"alert finished\" && $.state = \"filled\" }"
  }

  queries = {
    errors           = "fields @timestamp, @logStream, logger, event, alert_id | filter level = \"error\" | sort @timestamp desc | limit 100"
    one-alert        = "fields @timestamp, level, logger, event | filter alert_id = \"put the id here\" | sort @timestamp asc | limit 500"
    outcomes         = "filter event = \"alert finished\" | stats count(*) as alerts by state | sort alerts desc"
    not-taken        = "fields @timestamp, event, status, code, field, sender | filter event in [\"alert not taken\", \"alert could not be stored\"] | sort @timestamp desc | limit 100"
    starts-and-stops = "fields @timestamp, @logStream, event | filter event in [\"ready\", \"stopped\", \"another worker has taken over\", \"somebody else has taken over the symbol\"] | sort @timestamp desc | limit 100"
    noisiest         = "filter level in [\"warning\", \"error\"] | stats count(*) as lines by event | sort lines desc | limit 50"
  }
}

resource "aws_cloudwatch_log_metric_filter" "this" {
  for_each = local.filters

  name           = "${var.name}-${each.key}"
  log_group_name = var.watched.log_group_name
  pattern        = each.value

  metric_transformation {
    namespace     = "TradingBot/Logs/${var.deployment}"
    name          = each.key
    value         = "1"
    default_value = "0"
    unit          = "Count"
  }
}

resource "aws_cloudwatch_query_definition" "this" {
  for_each = local.queries

  name            = "${var.name}/${each.key}"
  log_group_names = [var.watched.log_group_name]
  query_string    = each.value
}
