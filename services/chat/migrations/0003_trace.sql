-- The trace a question belongs to (W3C traceparent): whoever writes the answer goes on with it.
alter table answers add column traceparent text not null default '';
