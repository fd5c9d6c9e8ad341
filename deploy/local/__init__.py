"""The embedded stack of `make run`: real servers from wheels, and the five services."""
