"""Units of work that come together share a transaction, and nothing else."""

import asyncio
from collections.abc import Sequence

import psycopg
import pytest

from libs.common.db import Database, Tx
from libs.common.errors import NotFound, Unavailable
from libs.common.groups import APART, MOST, GroupCommit
from tests.conftest import TestDatabase


class Jobs:
    """Stores a job for each unit, whose name it is; the result is its transaction.

    ``gone`` ends in an error of its own; what is asked for while ``open`` is not set waits.
    """

    def __init__(self, db: Database) -> None:
        self.db = db
        self.groups: GroupCommit[str, int] = GroupCommit(db, self._store, self.follow, keys=_key)
        self.followed = 0  # units that were stored
        self.open = asyncio.Event()
        self.open.set()
        self.under_way = False
        self.together: list[list[str]] = []

    async def add(self, name: str, account: str = "acc_a") -> int:
        return await self.groups.run(account, "jobs", name)

    async def _store(self, tx: Tx, account: str, names: Sequence[str]) -> list[int | Exception]:
        self.under_way = True
        await self.open.wait()
        self.together.append(list(names))
        for name in names:
            if name != "gone":
                await tx.execute(
                    "insert into jobs (id, account_id, kind, target) values (%s, %s, 'test', 'x')",
                    (name.removeprefix("same:"), account),
                )
        row = await (await tx.execute("select txid_current() as id")).fetchone()
        assert row is not None
        return [NotFound() if name == "gone" else row["id"] for name in names]

    async def follow(self, _: int) -> None:
        self.followed += 1

    async def stored(self, account: str = "acc_a") -> list[str]:
        async with self.db.transaction(account) as tx:
            rows = await (await tx.execute("select id from jobs order by id")).fetchall()
        return [row["id"] for row in rows]

    async def held_up(self, *names: str) -> "list[asyncio.Task[int]]":
        """The first is under way by itself, the others wait."""
        self.open.clear()
        self.under_way = False
        tasks: list[asyncio.Task[int]] = []
        for name in names:
            tasks.append(asyncio.create_task(self.add(name)))
            async with asyncio.timeout(20):
                while not self.under_way:
                    await asyncio.sleep(0)
        await asyncio.sleep(0)
        return tasks


def _key(name: str) -> frozenset[str]:
    return frozenset({"same"}) if name.startswith("same:") else frozenset()


@pytest.fixture
def jobs(db: Database) -> Jobs:
    return Jobs(db)


async def test_who_comes_while_a_transaction_is_under_way_goes_with_the_next(jobs: Jobs) -> None:
    tasks = await jobs.held_up("a", "b", "c")
    jobs.open.set()
    first, *others = await asyncio.gather(*tasks)

    assert len({first, *others}) == 2
    assert len(set(others)) == 1
    assert await jobs.stored() == ["a", "b", "c"]


async def test_a_transaction_has_room_for_so_many(jobs: Jobs) -> None:
    names = [f"j{number:03}" for number in range(2 * MOST + 2)]
    tasks = await jobs.held_up(*names)
    jobs.open.set()
    await asyncio.gather(*tasks)

    assert [len(names) for names in jobs.together] == [1, MOST, MOST, 1]
    assert [name for together in jobs.together for name in together] == names
    assert await jobs.stored() == names


async def test_what_shares_a_key_goes_one_after_the_other(jobs: Jobs) -> None:
    tasks = await jobs.held_up("a", "same:b", "c", "same:d", "e", "same:f")
    jobs.open.set()
    await asyncio.gather(*tasks)

    assert jobs.together == [["a"], ["same:b", "c", "e"], ["same:d"], ["same:f"]]


async def test_what_one_is_refused_with_is_its_alone(jobs: Jobs) -> None:
    await jobs.add("taken")
    tasks = await jobs.held_up("a", "b", "taken", "gone", "c")
    jobs.open.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)

    assert isinstance(results[2], psycopg.errors.UniqueViolation)
    assert isinstance(results[3], NotFound)
    assert [isinstance(result, int) for result in results] == [True, True, False, False, True]
    assert await jobs.stored() == ["a", "b", "c", "taken"]


async def test_who_waits_for_a_lock_waits_alone(jobs: Jobs, db: Database) -> None:
    async with db.transaction("acc_a") as other:
        await other.execute(
            "insert into jobs (id, account_id, kind, target) values ('held', 'acc_a', 'test', 'x')"
        )
        tasks = await jobs.held_up("a", "b", "same:held", "c", "same:d", "e")
        jobs.open.set()
        await asyncio.wait({task for task in tasks if task not in (tasks[2], tasks[4])})
        later = await jobs.add("later")
        stored = await jobs.stored()
        assert not tasks[2].done()
        assert not tasks[4].done()
        await other.execute("delete from jobs where id = 'held'")

    await asyncio.gather(*tasks)
    assert later
    assert stored == ["a", "b", "c", "e", "later"]
    assert await jobs.stored() == ["a", "b", "c", "d", "e", "held", "later"]


async def test_who_waits_for_a_lock_in_vain_is_told(
    place: TestDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("libs.common.db.LOCK_TIMEOUT", 300)
    async with (
        Database.open(place.url, schema="chat", service="test", size=4) as db,
        db.transaction("acc_a") as other,
    ):
        await other.execute(
            "insert into jobs (id, account_id, kind, target) values ('held', 'acc_a', 'test', 'x')"
        )
        with pytest.raises(Unavailable):
            await Jobs(db).add("held")


async def test_accounts_and_groups_share_nothing(jobs: Jobs) -> None:
    names = [
        (f"{account}{number}", account) for number in range(3) for account in ("acc_a", "acc_b")
    ]
    await asyncio.gather(*(jobs.add(*name) for name in names))

    assert all(len({name[:5] for name in names}) == 1 for names in jobs.together)
    assert await jobs.stored("acc_b") == ["acc_b0", "acc_b1", "acc_b2"]


async def test_who_gives_up_waiting_is_left_out_and_who_is_under_way_is_seen_through(
    jobs: Jobs,
) -> None:
    under_way, waiting, last = await jobs.held_up("a", "b", "c")
    under_way.cancel()
    waiting.cancel()
    await asyncio.wait({under_way, waiting})
    jobs.open.set()
    await last

    assert under_way.cancelled()
    assert waiting.cancelled()
    assert await jobs.stored() == ["a", "c"]
    assert jobs.followed == 2


async def test_a_transaction_that_does_not_end_holds_up_a_group_for_so_long(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("libs.common.groups.TIMEOUT", 2.0)
        tasks = await jobs.held_up("a", "b")
        with pytest.raises(Unavailable):
            await tasks[0]
    jobs.open.set()

    await tasks[1]
    assert await jobs.stored() == ["b"]


async def test_a_statement_that_does_not_end_is_broken_off(
    jobs: Jobs, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def sleeps(tx: Tx, _: str, names: Sequence[str]) -> list[int | Exception]:
        await (await tx.execute("select pg_sleep(%s)", (20 if names == ["a"] else 0,))).fetchone()
        return [1 for _ in names]

    monkeypatch.setattr("libs.common.groups.TIMEOUT", 2.0)
    groups: GroupCommit[str, int] = GroupCommit(db, sleeps, jobs.follow)
    first = asyncio.create_task(groups.run("acc_a", "jobs", "a"))
    await asyncio.sleep(0.1)
    second = asyncio.create_task(groups.run("acc_a", "jobs", "b"))

    async with asyncio.timeout(15):
        with pytest.raises(Unavailable):
            await first
        assert await second == 1


async def test_where_many_wait_for_locks_the_group_waits_for_some_of_them(
    jobs: Jobs, db: Database
) -> None:
    names = [f"j{number}" for number in range(3 * APART)]
    async with db.transaction("acc_a") as other:
        for name in names:
            await other.execute(
                "insert into jobs (id, account_id, kind, target) values (%s, 'acc_a', 'test', 'x')",
                (name,),
            )
        tasks = [asyncio.create_task(jobs.add(name)) for name in names]
        await asyncio.sleep(1)
        tried = [group for group in jobs.together if len(group) == 1]
        assert len(tried) <= 2 * APART
        await other.execute("delete from jobs")
    await asyncio.gather(*tasks)

    assert await jobs.stored() == names


def test_a_process_ends_though_one_waits_for_a_lock(place: TestDatabase) -> None:
    """Nobody is left waiting for what nobody would settle any more."""

    async def main() -> None:
        async with Database.open(place.url, schema="chat", service="test", size=4) as db:
            jobs = Jobs(db)
            waits = [asyncio.create_task(jobs.add(name)) for name in ("a", "held")]
            await waits[0]
            await asyncio.sleep(0.5)  # the other waits by itself
            assert not waits[1].done()

    with psycopg.connect(place.url) as other:
        other.execute("set search_path = chat")
        other.execute("select set_config('app.account', 'acc_a', false)")
        other.execute(
            "insert into jobs (id, account_id, kind, target) values ('held', 'acc_a', 'test', 'x')"
        )
        asyncio.run(main())
        other.rollback()


async def test_without_a_database_all_are_told_and_none_is_tried_again(
    jobs: Jobs, db: Database
) -> None:
    tasks = await jobs.held_up("a", "b", "c")
    async with db.system() as tx:
        await tx.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where usename = current_user and datname = current_database()"
            " and pid <> pg_backend_pid()"
        )
    jobs.open.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)

    assert isinstance(results[0], Unavailable)
    assert await jobs.stored() == ["b", "c"]  # the connection after it was a new one
    assert jobs.together == [["a"], ["b", "c"]]


async def test_who_comes_alone_goes_alone(jobs: Jobs) -> None:
    first, second = [await jobs.add(name) for name in ("a", "b")]

    assert first != second
    assert jobs.together == [["a"], ["b"]]
