"""The vector server of the embedded stack.

A small HTTP server that speaks the part of Qdrant's REST API that Chattery uses, over Qdrant's
own engine in process (`qdrant-edge-py`), so that services use the stock client everywhere. In
production a Qdrant cluster stands in its place.
"""
