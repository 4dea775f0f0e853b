"""Numbers of a tenant, for dashboards."""
