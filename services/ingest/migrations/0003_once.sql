-- Which request of its caller's made an item: the request sent again makes no second one.
alter table items add column once text;
create unique index items_once on items (account_id, once) where once is not null;
