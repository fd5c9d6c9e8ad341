"""The previous release runs on the new schema: every migration only adds.

A rollout migrates first, and for a while pods of both releases use the schema; a rollback leaves
the new schema to the old release for good. Each step is run on a real Postgres and the catalog
before it is compared with the one after: what was there is there, unchanged, and what is new is
nothing that the old release's writes would have to know of.
"""

import itertools
import re
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from deploy.k8s import generate
from libs.common.migrations import migrate
from tests.conftest import ROOT

COLUMNS = """
select table_name || '.' || column_name, data_type, is_nullable = 'YES',
  is_nullable = 'NO' and column_default is null and is_identity = 'NO' as must_be_written
from information_schema.columns where table_schema = %s"""
# Constraints that refuse or undo a write: all but primary keys' and foreign keys' own indexes.
RULES = """
select c.conrelid::regclass || ': ' || pg_get_constraintdef(c.oid)
from pg_constraint c join pg_namespace n on n.oid = c.connamespace
where n.nspname = %s and c.conrelid <> 0
union select i.indrelid::regclass || ': ' || pg_get_indexdef(i.indexrelid)
from pg_index i join pg_class t on t.oid = i.indrelid join pg_namespace n on n.oid = t.relnamespace
where n.nspname = %s and i.indisunique
union select t.tgrelid::regclass || ': trigger ' || t.tgname
from pg_trigger t join pg_class c on c.oid = t.tgrelid
join pg_namespace n on n.oid = c.relnamespace where n.nspname = %s and not t.tgisinternal"""


@dataclass(frozen=True)
class Schema:
    columns: dict[str, tuple[str, bool]]  # type, and whether it may be null
    written: set[str]  # columns that every insert must name
    rules: set[str]

    @property
    def tables(self) -> set[str]:
        return {column.partition(".")[0] for column in self.columns}


@pytest.fixture
def empty(servers) -> Iterator[str]:
    """A database of its own, as the superuser."""
    name = f"t_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(servers.admin_url, autocommit=True) as admin:
        admin.execute(f"create database {name}")
    yield servers.admin_url.rpartition("/")[0] + f"/{name}"
    with psycopg.connect(servers.admin_url, autocommit=True) as admin:
        admin.execute(f"drop database {name} with (force)")


async def steps(url: str, service: str, folder: Path, extra: str = "") -> list[Schema]:
    """The schema after each migration, and after one more that a test makes up."""
    found = []
    files = sorted((ROOT / "services" / service / "migrations").glob("*.sql"))
    for file in files:
        shutil.copy(file, folder)
        found.append(await after(url, service, folder))
    if extra:
        (folder / "9999_extra.sql").write_text(extra)
        found.append(await after(url, service, folder))
    return found


async def after(url: str, service: str, folder: Path) -> Schema:
    await migrate(url, schema=service, folder=folder, role=service, password=None)
    with psycopg.connect(url) as admin:
        rows = admin.execute(COLUMNS, (service,)).fetchall()
        rules = admin.execute(RULES, (service,) * 3).fetchall()
    return Schema(
        {name: (kind, nullable) for name, kind, nullable, _ in rows},
        {name for name, _, _, must in rows if must},
        {rule for (rule,) in rules},
    )


def breaks(old: Schema, new: Schema) -> list[str]:
    """What a release that knows the old schema would fall over."""
    there = {name for name in new.columns if name.partition(".")[0] in old.tables}
    found = [
        f"{name} is gone or changed"
        for name, kind in old.columns.items()
        if new.columns.get(name) != kind
    ]
    found += [f"{name} has no default" for name in (there & new.written) - old.written]
    found += [f"{rule} is new" for rule in new.rules - old.rules if binds(rule, old)]
    return found


def binds(rule: str, old: Schema) -> bool:
    """Whether it may refuse a row as the old release writes it: of a column it does not know, null."""
    table = rule.partition(":")[0].rpartition(".")[2]
    only = re.search(r"WHERE \((\w+) IS NOT NULL\)$", rule)
    return table in old.tables and not (only and f"{table}.{only[1]}" not in old.columns)


@pytest.mark.parametrize("service", generate.WITH_DATABASE)
async def test_every_migration_leaves_the_release_before_what_it_uses(
    service, empty, tmp_path
) -> None:
    found = await steps(empty, service, tmp_path)
    assert [breaks(old, new) for old, new in itertools.pairwise(found)] == [[] for _ in found[1:]]


@pytest.mark.parametrize(
    "change",
    [
        "alter table answers drop column language",
        "alter table answers rename column language to spoken",
        "alter table answers alter column language type varchar(9)",
        "alter table answers add column mood text not null",
        "alter table answers alter column lease_until set not null",
        "alter table answers add check (attempts < 3)",
        "create unique index on answers (language, attempts)",
        "create unique index on answers (language) where owner is not null",
        "drop table unanswered",
    ],
)
async def test_a_migration_that_takes_something_away_is_noticed(change, empty, tmp_path) -> None:
    *_, old, new = await steps(empty, "chat", tmp_path, change)
    assert breaks(old, new)
