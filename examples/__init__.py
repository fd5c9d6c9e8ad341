"""A small help centre of an invented company, and the demo that runs on it."""
