-- The trace an event belongs to (W3C traceparent), so that its deliveries are part of it.
alter table events add column traceparent text not null default '';
