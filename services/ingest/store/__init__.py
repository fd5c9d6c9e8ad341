"""All SQL of ingest. Tenant second in every function that works for one account."""
