-- So that a remembered vector goes with the last chunk of its text.
-- Not built concurrently: who waits meanwhile (a minute or so for ten million chunks) are writers
-- of chunks, which are ingest's own workers; their items are tried again. No answer reads this
-- table, and "concurrently" would need migrations that run outside of a transaction.
create index chunks_by_hash on chunks (account_id, hash);
