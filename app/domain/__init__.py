"""What the bot talks about: values and rules of the domain, on the standard library alone."""
