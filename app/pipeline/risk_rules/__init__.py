"""What the risk stage weighs with: checks, stop and targets, size, latches."""
