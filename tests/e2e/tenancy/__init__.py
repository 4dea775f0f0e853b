"""What anybody may do to a tenant or to the platform: tests made from the routes, so that a new one is in them by
itself, or fails them.
"""
