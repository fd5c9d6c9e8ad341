-- Endpoints, the events that came in, what is to be delivered and how it went.
-- Row-level security: a transaction sees the rows of the account it named, or of all as '*'.

create table endpoints (
  id text primary key,
  account_id text not null,
  url text not null,
  events text[] not null,
  chatbot_id text,                        -- only this chatbot's events, or all
  description text not null default '',
  enabled boolean not null default true,
  disabled_reason text,                   -- gone | failing | null, also when a person disabled it
  headers jsonb not null default '{}',
  rate_limit integer,                     -- deliveries a second
  ordering text not null default 'conversation',
  secret bytea not null,                  -- encrypted; see the keyring
  previous_secrets bytea[] not null default '{}',     -- newest first; each signs beside the
  previous_until timestamptz[] not null default '{}', -- current one until its time
  failing_since timestamptz,              -- of the first failure after the last success
  last_success_at timestamptz,
  last_failure_at timestamptz,
  tokens double precision not null default 1,     -- of the rate limit's bucket
  tokens_at timestamptz not null default now(),
  created_at timestamptz not null default now(),
  deleted_at timestamptz                  -- hidden; its deliveries are removed bit by bit
);
create index on endpoints (account_id, id desc);

-- The inbox: what came in is known by its id, for as long as the logs are kept.
create table events (
  id text primary key,
  account_id text not null,
  chatbot_id text not null,
  name text not null,
  key text not null,                      -- the conversation
  body bytea not null,                    -- exactly what is sent
  sample boolean not null default false,  -- made for a test, never replayed
  occurred_at timestamptz not null,
  received_at timestamptz not null default now()
);
create index on events (account_id, received_at);
create index on events (received_at);

create table deliveries (
  seq bigint generated always as identity,
  id text primary key,
  account_id text not null,
  endpoint_id text not null references endpoints on delete cascade,
  event_id text not null,                 -- the event is kept longer than its deliveries
  event text not null,
  key text not null,                      -- deliveries of one key go out in order; '' has no order
  status text not null default 'pending', -- pending | delivering | succeeded | failed | cancelled
  attempts jsonb not null default '[]',   -- the log
  tries integer not null default 0,       -- since it was last queued: the place in the schedule
  due_at timestamptz not null default now(),  -- while delivering: when the lease ends
  owner text,                             -- the process that holds it
  ms integer,                             -- of the last attempt
  created_at timestamptz not null default now(),
  finished_at timestamptz
);
create unique index on deliveries (endpoint_id, event_id);
create index on deliveries (endpoint_id, id desc);
create index deliveries_due on deliveries (endpoint_id, due_at, seq) where finished_at is null;
create index deliveries_order on deliveries (endpoint_id, key, seq)
  where finished_at is null and key <> '';
create index deliveries_held on deliveries (owner) where owner is not null;

create table notices (
  id text primary key,
  account_id text not null,
  kind text not null,
  message text not null,
  webhook_id text,
  mailed_at timestamptz,                  -- when nobody is left to be mailed
  mailed_to text[] not null default '{}',
  mail_tries integer not null default 0,
  mail_due_at timestamptz not null default now(),
  created_at timestamptz not null default now()
);
create index on notices (account_id, id desc);
create index on notices (mail_due_at) where mailed_at is null;

-- Who takes events in, and which processes are alive. Names no account.
create table leases (
  name text primary key,
  owner text not null,
  until timestamptz not null
);

-- How far the event stream was read, and which one: a stream made anew counts from the start.
create table positions (
  stream text primary key,
  created text not null,
  position bigint not null
);

do $$
declare name text;
begin
  foreach name in array array['endpoints', 'events', 'deliveries', 'notices'] loop
    execute format('alter table %I enable row level security', name);
    execute format('alter table %I force row level security', name);
    execute format(
      'create policy tenant on %I using (account_id = current_setting(''app.account'', true)'
      ' or current_setting(''app.account'', true) = ''*'')', name);
  end loop;
end $$;
