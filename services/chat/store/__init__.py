"""All SQL of chat. The tenant comes second, and is in every WHERE."""
