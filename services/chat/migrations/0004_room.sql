-- Rows that change several times in a short life: room for their next version on the same page
-- spares every index an entry, and what is over is cleared before the scans of what is due feel it.
alter table answers set (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02,
                         autovacuum_vacuum_threshold = 500);
alter table conversations set (fillfactor = 70);
alter table outbox set (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02,
                        autovacuum_vacuum_threshold = 500);
