"""Extraction: bytes of any supported kind to blocks of text, in a child process with limits."""
