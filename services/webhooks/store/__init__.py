"""All SQL of the service, one module a table or a use of it."""
