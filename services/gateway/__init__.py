"""The only door: HTTP, streams, credentials, limits, idempotency, CORS.

Owns accounts, users, API keys, links, the audit log and account jobs (Postgres), sessions and
idempotency records (Redis). Takes HTTP; gives calls over the bus. Listens on
``gateway.keys.revoked`` for credentials that no replica may trust any longer.
"""
