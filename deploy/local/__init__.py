"""The whole platform on one machine: every backend and service as a supervised process."""
