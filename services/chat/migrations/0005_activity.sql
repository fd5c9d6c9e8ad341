-- An inbox shows first what was last written in.
create index on conversations (account_id, (coalesce(last_message_at, created_at)) desc, id desc);
