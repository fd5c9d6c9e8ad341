create table accounts (
  id text primary key,
  name text not null,
  plan text not null,
  status text not null default 'active' check (status in ('active', 'suspended', 'deleting')),
  settings jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

create table users (
  id text primary key,
  account_id text not null references accounts on delete cascade,
  email text not null unique,
  name text not null default '',
  role text not null check (role in ('owner', 'admin', 'agent')),
  status text not null default 'active' check (status in ('invited', 'active', 'disabled')),
  password_hash text,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  last_login_at timestamptz
);
create index on users (account_id, id);

create table keys (
  id text primary key,
  account_id text not null references accounts on delete cascade,
  user_id text not null references users on delete cascade,
  name text not null,
  prefix text not null,
  digest bytea not null unique,
  pepper integer not null,
  scopes text[] not null,
  test boolean not null default false,
  expires_at timestamptz,
  last_used_at timestamptz,
  created_at timestamptz not null default now()
);
create index on keys (account_id, id);

-- Links that were mailed: one use, by the hash of what is in the link.
create table links (
  digest bytea primary key,
  account_id text not null references accounts on delete cascade,
  user_id text not null references users on delete cascade,
  kind text not null check (kind in ('invitation', 'reset')),
  expires_at timestamptz not null,
  created_at timestamptz not null default now()
);
create index on links (user_id);

create table audit (
  id text primary key,
  account_id text not null,
  actor_kind text not null,
  actor_id text not null,
  action text not null,
  target text not null default '',
  ip text not null default '',
  request_id text not null default '',
  at timestamptz not null default now()
);
create index on audit (account_id, id desc);

-- Deletion of an account, until every service has confirmed that nothing is left.
create table jobs (
  id text primary key,
  account_id text not null,
  kind text not null,
  status text not null default 'running' check (status in ('running', 'done', 'failed')),
  progress double precision not null default 0,
  error text,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

alter table accounts enable row level security;
alter table users enable row level security;
alter table keys enable row level security;
alter table links enable row level security;
alter table audit enable row level security;
alter table jobs enable row level security;

create policy tenant on accounts
  using (id = current_setting('app.account', true) or current_setting('app.account', true) = '*');
create policy tenant on users
  using (account_id = current_setting('app.account', true) or current_setting('app.account', true) = '*');
create policy tenant on keys
  using (account_id = current_setting('app.account', true) or current_setting('app.account', true) = '*');
create policy tenant on links
  using (account_id = current_setting('app.account', true) or current_setting('app.account', true) = '*');
create policy tenant on audit
  using (account_id = current_setting('app.account', true) or current_setting('app.account', true) = '*');
create policy tenant on jobs
  using (account_id = current_setting('app.account', true) or current_setting('app.account', true) = '*');
