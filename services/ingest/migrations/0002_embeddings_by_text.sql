-- So that a remembered vector goes with the last chunk of its text.
create index chunks_by_hash on chunks (account_id, hash);
