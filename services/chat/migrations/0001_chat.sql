-- Chatbots, visitors, conversations, messages, answers in flight, live events, jobs.
-- Row-level security: a transaction sees the rows of the account it named, or of all as '*'.

create table chatbots (
  id text primary key,
  account_id text not null,
  name text not null,
  website text,
  language text not null,
  status text not null default 'active',  -- active | deleting
  settings jsonb not null,                -- personality, appearance, widget, handoff, limits
  retention_days integer,
  identity_secret text not null,
  version bigint not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create index on chatbots (account_id, id desc);

create table visitors (
  id text not null,
  account_id text not null,
  chatbot_id text not null references chatbots on delete cascade,
  user_id text,                           -- as the owner's site identified them
  created_at timestamptz not null default now(),
  last_seen_at timestamptz not null default now(),
  primary key (account_id, chatbot_id, id)
);
create unique index on visitors (chatbot_id, user_id) where user_id is not null;

create table conversations (
  id text primary key,
  account_id text not null,
  chatbot_id text not null references chatbots on delete cascade,
  visitor_id text not null,
  status text not null default 'open',    -- open | escalated | resolved
  language text not null,
  tags text[] not null default '{}',
  assignee_id text,
  escalation jsonb,                       -- {reason, by, at, summary}
  human boolean not null default false,   -- a person replied: the bot is silent
  waiting_told boolean not null default false,
  floor_misses integer not null default 0,
  message_count integer not null default 0,
  preview text not null default '',
  last_message_at timestamptz,
  created_at timestamptz not null default now()
);
create index on conversations (account_id, id desc);
create index on conversations (account_id, chatbot_id, visitor_id, id desc);
create index on conversations (chatbot_id, last_message_at);

create table messages (
  id text primary key,
  account_id text not null,
  conversation_id text not null references conversations on delete cascade,
  chatbot_id text not null,
  sender text not null,                   -- visitor | bot | admin | system
  text text not null,
  sources jsonb not null default '[]',
  status text not null default 'sent',
  internal boolean not null default false,
  author text,
  author_id text,
  answer_id text,
  client_message_id text,
  metadata jsonb not null default '{}',
  rating text,
  comment text,
  rated_at timestamptz,
  created_at timestamptz not null default now()
);
create index on messages (conversation_id, id);
create index on messages (account_id, created_at);
create unique index on messages (conversation_id, client_message_id) where client_message_id is not null;
create index messages_client on messages (account_id, chatbot_id, client_message_id)
  where client_message_id is not null;

create table answers (
  seq bigint generated always as identity primary key,
  id text not null unique,
  account_id text not null,
  chatbot_id text not null,
  conversation_id text not null references conversations on delete cascade,
  question_id text not null,
  message_id text not null,               -- of the bot's message, once it is there
  language text not null,
  status text not null,                   -- queued | running | complete | stopped | no_answer | escalated | error
  owner text,
  lease_until timestamptz,
  attempts integer not null default 0,
  stop_requested boolean not null default false,
  frames text[] not null default '{}',    -- the JSON of each frame shown, number n at index n
  first_token_ms integer,
  input_tokens integer not null default 0,
  output_tokens integer not null default 0,
  cost_usd double precision not null default 0,
  created_at timestamptz not null default now(),
  finished_at timestamptz
);
create index answers_unfinished on answers (seq) where finished_at is null;
create index on answers (conversation_id, seq);
create index on answers (account_id, created_at);
create index on answers (chatbot_id, created_at);

create table unanswered (
  id text primary key,
  account_id text not null,
  chatbot_id text not null references chatbots on delete cascade,
  conversation_id text not null references conversations on delete cascade,
  question text not null,
  language text not null,
  dismissed boolean not null default false,
  created_at timestamptz not null default now()
);
create index on unanswered (account_id, chatbot_id, created_at) where not dismissed;

create table live_events (
  seq bigint generated always as identity primary key,
  account_id text not null,
  conversation_id text not null,
  event text not null,
  internal boolean not null,
  data jsonb not null,
  created_at timestamptz not null default now()
);
create index on live_events (account_id, seq);
create index on live_events (conversation_id, seq);

create table jobs (
  id text primary key,
  account_id text not null,
  kind text not null,                     -- delete_chatbot | delete_visitor
  target text not null,
  status text not null default 'running', -- running | done | failed
  progress double precision not null default 0,
  error text,
  due_at timestamptz not null default now(),
  attempts integer not null default 0,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create index on jobs (due_at) where status = 'running';

create table outbox (
  seq bigint generated always as identity primary key,
  id text not null unique,
  account_id text not null,
  subject text not null,
  key text not null,
  body bytea not null,
  public boolean not null,
  created_at timestamptz not null default now(),
  published_at timestamptz
);
create index on outbox (seq) where published_at is null;
create index on outbox (published_at) where published_at is not null;

do $$
declare name text;
begin
  foreach name in array array['chatbots', 'visitors', 'conversations', 'messages', 'answers',
                              'unanswered', 'live_events', 'jobs', 'outbox'] loop
    execute format('alter table %I enable row level security', name);
    execute format('alter table %I force row level security', name);
    execute format(
      'create policy tenant on %I using (account_id = current_setting(''app.account'', true)'
      ' or current_setting(''app.account'', true) = ''*'')', name);
  end loop;
end $$;
