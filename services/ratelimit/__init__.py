"""Decides whether a request is within its limits.

Owns the windows in Redis. Takes ``ratelimit.check``; gives decisions. No tables.
"""
