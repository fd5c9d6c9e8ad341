"""Events, signed and delivered to integrators' endpoints: at least once, in order, fairly.

Postgres is the truth. One replica at a time takes events from the stream into the inbox and
makes delivery rows; every replica claims due rows under a lease and sends them.
"""
