"""The house's own conventions: configuration, bus, database, events, errors, telemetry."""
