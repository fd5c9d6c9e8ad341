"""Who writes an answer: a model, or the knowledge itself."""
