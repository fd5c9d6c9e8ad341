-- One lease for all that a process writes, renewed as one row however many answers that is. What
-- it holds has a lease_until in the year 9000, which the release before leaves alone; answers of
-- that release have a lease each and are taken over by that.
create table writers (
  owner text primary key,
  lease_until timestamptz not null
);
alter table writers enable row level security;
alter table writers force row level security;
create policy platform on writers using (current_setting('app.account', true) = '*');
