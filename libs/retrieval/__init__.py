"""Finding passages: embedding, sparse terms, the vector collection, search and its floor.

Shared by ingest (which writes) and chat (which reads). Imports no service.
"""
