"""Knowledge: takes pages, files, texts and Q&A pairs in, and keeps what is found up to date.

Answers ``knowledge.*``. Works through its items, woken by the work queue ``INGEST``
(``ingest.jobs.>``), with Postgres as the truth. Consumes ``chatbot_deleted``; gives
``knowledge_indexed`` and, while it works, ``live.<account>.knowledge``.

Owns schema ``ingest`` (items, chunks, embeddings, pages of crawls, removals, outbox), the
vector collection and the uploads in the blob store.
"""
