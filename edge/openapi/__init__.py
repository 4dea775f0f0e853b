"""The API document (OpenAPI 3.1), made of the protos, and the page that shows it.

`document.py` puts it together. What a proto cannot say in protobuf's own words stands in its options
(`protos/segops/options/v1/schema.proto`); what holds for every route (errors, headers, credentials) is a rule here.
"""
