"""Search for parameters, and find out how much of what is found is luck."""
