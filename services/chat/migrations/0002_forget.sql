-- What a job has removed here and has yet to see forgotten by the webhooks' logs.
alter table jobs add column conversations text[] not null default '{}';
create index on outbox (key);
