"""Schemas brought up to date by numbered files, and the roles that may use them.

A service's role owns nothing and may change rows of its own schema alone.
"""

import asyncio
import random
import re
import time
from pathlib import Path
from typing import Any, LiteralString, cast

import psycopg
from psycopg import AsyncConnection, sql

from libs.common.db import CONNECT_TIMEOUT, LOCK_TIMEOUT

MIGRATION_LOCK = 0x43686174  # one migration at a time in a database
_NUMBERED = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")


async def migrate(
    admin_url: str, *, schema: str, folder: Path, role: str, password: str | None
) -> list[str]:
    """Bring a schema up to date and give its role exactly what it needs.

    Runs the numbered files of ``folder`` that were not run yet, each in a transaction of its
    own with the search path on the schema, under an advisory lock, so that several may start
    at once. Returns the names of the files it ran.
    """
    connection = await _connect_admin(admin_url)
    async with connection:
        await connection.execute("select pg_advisory_lock(%s)", (MIGRATION_LOCK,))
        try:
            await _prepare(connection, schema, role, password)
            ran = await _run_files(connection, schema, folder)
            await _grant(connection, schema, role)
        finally:
            await connection.execute("select pg_advisory_unlock(%s)", (MIGRATION_LOCK,))
    return ran


async def _connect_admin(url: str) -> AsyncConnection[Any]:
    end = time.monotonic() + CONNECT_TIMEOUT
    while True:
        try:
            return await AsyncConnection.connect(url, autocommit=True, connect_timeout=5)
        except psycopg.OperationalError:
            if time.monotonic() > end:
                raise
            await asyncio.sleep(random.uniform(0.1, 0.5))


async def _prepare(
    connection: AsyncConnection[Any], schema: str, role: str, password: str | None
) -> None:
    known = await connection.execute("select 1 from pg_roles where rolname = %s", (role,))
    if await known.fetchone() is None:
        await connection.execute(sql.SQL("create role {} login").format(sql.Identifier(role)))
    if password:
        await connection.execute(
            sql.SQL("alter role {} password {}").format(sql.Identifier(role), sql.Literal(password))
        )
    await connection.execute(
        sql.SQL("create schema if not exists {}").format(sql.Identifier(schema))
    )
    await connection.execute(
        sql.SQL(
            "create table if not exists {}.migrations "
            "(name text primary key, ran_at timestamptz not null default now())"
        ).format(sql.Identifier(schema))
    )


async def _run_files(connection: AsyncConnection[Any], schema: str, folder: Path) -> list[str]:
    table = sql.Identifier(schema, "migrations")
    rows = await connection.execute(sql.SQL("select name from {}").format(table))
    done = {row[0] for row in await rows.fetchall()}
    ran: list[str] = []
    for name, statements in await asyncio.to_thread(_files, folder):
        if name in done:
            continue
        async with connection.transaction():
            await connection.execute(
                sql.SQL("set local search_path to {}").format(sql.Identifier(schema))
            )
            # Whoever waits for a table makes all wait that come after: better to be run again.
            await connection.execute(
                sql.SQL("set local lock_timeout to {}").format(sql.Literal(LOCK_TIMEOUT))
            )
            await connection.execute(cast(LiteralString, statements))
            await connection.execute(
                sql.SQL("insert into {} (name) values (%s)").format(table), (name,)
            )
        ran.append(name)
    return ran


def _files(folder: Path) -> list[tuple[str, str]]:
    """Names and contents, in their order."""
    found = sorted(p for p in folder.iterdir() if _NUMBERED.fullmatch(p.name))
    return [(path.name, path.read_text(encoding="utf-8")) for path in found]


async def _grant(connection: AsyncConnection[Any], schema: str, role: str) -> None:
    """Rows of its own schema, nothing else: no DDL, no ownership, no other schema."""
    names = {"schema": sql.Identifier(schema), "role": sql.Identifier(role)}
    for statement in (
        "grant usage on schema {schema} to {role}",
        "grant select, insert, update, delete on all tables in schema {schema} to {role}",
        "grant usage, select on all sequences in schema {schema} to {role}",
        "grant execute on all functions in schema {schema} to {role}",
        "revoke all on {schema}.migrations from {role}",
    ):
        await connection.execute(sql.SQL(cast(LiteralString, statement)).format(**names))
