"""All SQL of the gateway. Tenant second in every function that works for one account."""
