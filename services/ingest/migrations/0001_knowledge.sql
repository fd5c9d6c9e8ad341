-- A knowledge item. `generation` is the version that is found; `building` numbers the attempts.
create table items (
  id text primary key,
  account_id text not null,
  chatbot_id text not null,
  type text not null check (type in ('url', 'qa', 'text', 'document', 'crawl')),
  source text,
  title text not null default '',
  own_title boolean not null default false,
  content jsonb,
  status text not null default 'pending'
    check (status in ('pending', 'processing', 'ready', 'failed')),
  stage text not null default 'queued',
  semantic text not null default 'pending' check (semantic in ('pending', 'done')),
  found integer not null default 0,
  fetched integer not null default 0,
  indexed integer not null default 0,
  failed integer not null default 0,
  chunks integer not null default 0,
  bytes bigint not null default 0,
  error_code text,
  error_message text,
  attempts integer not null default 0,
  crashes integer not null default 0,           -- claims that ended with their worker
  refresh text not null default 'never' check (refresh in ('never', 'daily', 'weekly')),
  refresh_at timestamptz,
  parent_id text,
  generation integer not null default 0,
  building integer not null default 0,
  version integer not null default 0,          -- counts what its owner asked for
  content_hash bytea,
  simhash bigint,
  numbers bigint,
  etag text,
  last_modified text,
  url text,                                     -- where redirects and canonical links led
  options jsonb,                                -- of a crawl
  run integer not null default 0,               -- of a crawl, or the run that last saw a page
  missed integer not null default 0,            -- runs in a row in which a page failed
  cancelled boolean not null default false,
  lease text,                                   -- whose work it is, while it is being done
  lease_until timestamptz,
  due_at timestamptz not null default now(),
  dense_lease text,
  dense_lease_until timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  indexed_at timestamptz
);
create index items_by_chatbot on items (account_id, chatbot_id, id desc);
create index items_by_parent on items (parent_id, id) where parent_id is not null;
create index items_due on items (account_id, due_at) where status in ('pending', 'processing');
create index items_refresh on items (refresh_at) where refresh_at is not null;
create index items_dense on items (account_id, indexed_at)
  where semantic = 'pending' and generation > 0;
create index items_leased on items (lease) where lease is not null;

create table chunks (
  account_id text not null,
  item_id text not null references items on delete cascade,
  generation integer not null,
  ordinal integer not null,
  kind text not null,
  text text not null,
  headings text[] not null,
  question text,
  page integer,
  tokens integer not null,
  language text not null,
  hash bytea not null,                          -- of what is embedded
  dense boolean not null default false,
  primary key (item_id, generation, ordinal)
);
create index chunks_pending on chunks (item_id, generation, ordinal) where not dense;

-- Vectors by text, so that no account has the same text embedded twice.
create table embeddings (
  account_id text not null,
  model text not null,
  hash bytea not null,
  vector bytea not null,                        -- float32, little endian
  used_at timestamptz not null default now(),
  primary key (account_id, model, hash)
);

-- The pages of a crawl: one row an address, for as long as the crawl lives.
create table pages (
  account_id text not null,
  crawl_id text not null references items on delete cascade,
  url text not null,
  seq bigint generated always as identity,
  depth integer not null,
  run integer not null,
  state text not null default 'waiting'
    check (state in ('waiting', 'taken', 'done', 'failed', 'skipped')),
  item_id text,
  tries integer not null default 0,
  due_at timestamptz not null default now(),
  reason text,
  links text[] not null default '{}',           -- what it led to, for when it is not sent again
  primary key (crawl_id, url)
);
create index pages_waiting on pages (crawl_id, due_at) where state in ('waiting', 'taken');

-- What is gone here and still has to go from the vector store and the blob store.
create table removals (
  id bigint generated always as identity primary key,
  account_id text not null,
  chatbot_id text,
  item_id text,
  upload text,
  created_at timestamptz not null default now()
);
create index on removals (account_id, chatbot_id);

-- Collections of the vector store, one a model; searches read the active one.
create table collections (
  name text primary key,
  model text not null,
  dimensions integer not null,
  state text not null check (state in ('filling', 'active', 'retired')),
  cursor text not null default '',              -- items up to here are in it
  created_at timestamptz not null default now()
);

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

do $$
declare name text;
begin
  foreach name in array array['items', 'chunks', 'embeddings', 'pages', 'removals', 'outbox'] loop
    execute format('alter table %I enable row level security', name);
    execute format(
      'create policy tenant on %I using (account_id = current_setting(''app.account'', true)'
      ' or current_setting(''app.account'', true) = ''*'')', name);
  end loop;
end $$;
