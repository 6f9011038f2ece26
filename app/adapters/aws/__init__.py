"""AWS by boto3, and nothing else in the product imports it: secrets, the spill queue, backups, deploys."""
