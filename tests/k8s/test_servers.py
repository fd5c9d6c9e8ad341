"""What the manifests configure, on the real servers: NATS' users, Postgres' roles."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import nats
import psycopg
import pytest

from deploy.k8s import generate
from deploy.k8s.policies import of
from libs.common import streams
from libs.common.permissions import NATS_PERMISSIONS
from tests.k8s.conftest import ROOT

USES = {"gateway": ["ANSWERS"], "chat": ["EVENTS", "ANSWERS"], "webhooks": ["EVENTS", "DEAD"]}


@pytest.fixture
def dev_nats():
    """NATS with the configuration of the dev overlay, its ports and folder apart."""
    folder = Path(tempfile.mkdtemp())
    text = re.sub(r'"(port|http_port)": \d+', r'"\1": -1', generate.dev_nats_conf())
    (folder / "nats.conf").write_text(text.replace('"/data"', json.dumps(str(folder / "js"))))
    passwords = {generate.password_variable(s): f"{s}-secret" for s in NATS_PERMISSIONS}
    server = Path(sysconfig.get_path("scripts")) / "nats-server"
    process = subprocess.Popen(
        [str(server), "-c", "nats.conf", "-a", "127.0.0.1", "--ports_file_dir", str(folder)],
        cwd=folder,
        env={**os.environ, **passwords},
        stderr=subprocess.PIPE,
    )
    try:
        end = time.monotonic() + 30
        while not (found := list(folder.glob("*.ports"))) or not found[0].read_text():
            assert process.poll() is None, process.stderr.read().decode()
            assert time.monotonic() < end
            time.sleep(0.05)
        yield SimpleNamespace(url=json.loads(found[0].read_text())["nats"][0])
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)
        process.stderr.close()
        shutil.rmtree(folder, ignore_errors=True)


async def test_each_service_makes_its_streams_as_its_own_user(dev_nats) -> None:
    for service, wanted in USES.items():
        client = await nats.connect(
            dev_nats.url,
            user=service,
            password=f"{service}-secret",
            inbox_prefix=f"_INBOX.{service}",
        )
        await streams.ensure(client.jetstream(), *wanted)
        await client.close()


async def test_nobody_gets_in_without_a_password(dev_nats) -> None:
    with pytest.raises(nats.errors.Error):
        await nats.connect(dev_nats.url, allow_reconnect=False)


# -- Postgres ----------------------------------------------------------------------------------


@pytest.fixture
def migrated(servers, production):
    """A database that the manifests' Jobs have migrated, each with the environment it has there."""
    name = f"t_jobs_{os.getpid()}"
    with psycopg.connect(servers.admin_url, autocommit=True) as admin:
        admin.execute(f"create database {name}")
    url = servers.admin_url.rpartition("/")[0] + f"/{name}"
    values = {"DATABASE_ADMIN_URL": url, "CHATTERY_DB_PASSWORD": "test"}
    for job in of(production, "Job"):
        container = job["spec"]["template"]["spec"]["containers"][0]
        service = job["metadata"]["name"].removeprefix("migrate-")
        done = subprocess.run(
            [sys.executable, "-m", f"services.{service}", *container["args"]],
            cwd=ROOT,
            env={entry["name"]: values[entry["name"]] for entry in container["env"]},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    yield url
    with psycopg.connect(servers.admin_url, autocommit=True) as admin:
        admin.execute(f"drop database {name} with (force)")


def test_each_role_may_use_the_rows_of_its_own_schema_and_nothing_else(migrated) -> None:
    rows = {"SELECT", "INSERT", "UPDATE", "DELETE"}
    with psycopg.connect(migrated) as admin:
        for service in generate.WITH_DATABASE:
            role = admin.execute(
                "select rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolcanlogin"
                " from pg_roles where rolname = %s",
                (service,),
            ).fetchone()
            assert role == (False, False, False, False, True)
            granted = admin.execute(
                "select table_schema, table_name, array_agg(privilege_type::text)"
                " from information_schema.role_table_grants where grantee = %s group by 1, 2",
                (service,),
            ).fetchall()
            assert granted
            assert {schema for schema, _, _ in granted} == {service}
            assert all(set(privileges) == rows for _, _, privileges in granted)
            assert "migrations" not in {table for _, table, _ in granted}
            usable = admin.execute(
                "select nspname from pg_namespace where has_schema_privilege(%s, oid, 'USAGE')"
                " and nspname not like 'pg\\_%%' and nspname not in ('information_schema', 'public')",
                (service,),
            ).fetchall()
            assert usable == [(service,)]
            creates = admin.execute(
                "select has_schema_privilege(%s, %s, 'CREATE')", (service, service)
            ).fetchone()
            assert creates == (False,)


def test_the_roles_of_the_manifests_are_those_that_migrate_makes(production) -> None:
    import yaml

    text = (ROOT / "deploy/k8s/overlays/production/values/postgres.yaml").read_text()
    cluster = next(r for r in yaml.safe_load_all(text) if r["kind"] == "Cluster")
    roles = {role["name"]: role for role in cluster["spec"]["managed"]["roles"]}
    jobs = {job["metadata"]["name"].removeprefix("migrate-") for job in of(production, "Job")}
    assert set(roles) == jobs == set(generate.WITH_DATABASE)
    for role in roles.values():
        assert role["login"]
        assert not any(role.get(p) for p in ("superuser", "bypassrls", "createrole", "createdb"))
