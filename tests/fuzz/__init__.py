"""Schemathesis against the whole API, through Envoy: requests made of the API document, valid ones and others."""
