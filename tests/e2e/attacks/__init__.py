"""What somebody who means harm would send. Each attack stands beside the same request without it, which works."""
