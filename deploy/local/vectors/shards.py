"""Collections on disk: a folder each with the engine's files and the settings it was made with.

The engine holds the interpreter's lock while it works, so all of it runs in one thread: the
event loop answers health checks in between, and writes are in order by themselves.
"""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import qdrant_edge as edge

from deploy.local.vectors import models
from deploy.local.vectors.models import Json


class NoCollection(Exception):
    """There is no collection of this name."""


class CollectionExists(Exception):
    """There is a collection of this name already."""


class Collection:
    def __init__(self, folder: Path, settings: Json, shard: edge.EdgeShard) -> None:
        self.folder = folder
        self.settings = settings
        self.shard = shard
        self.dirty = False


class Collections:
    """All collections under one folder, and their aliases."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._aliases_file = folder / "aliases.json"
        self.collections: dict[str, Collection] = {}
        self.aliases: dict[str, str] = {}

    def load(self) -> None:
        """Open what is there; what was half made is removed, what was acknowledged is replayed."""
        self._folder.mkdir(parents=True, exist_ok=True)
        for folder in sorted(p for p in self._folder.iterdir() if p.is_dir()):
            settings = folder / "settings.json"
            if not settings.exists():
                shutil.rmtree(folder)
                continue
            body = json.loads(settings.read_text())
            shard = edge.EdgeShard.load(str(folder / "shard"), models.config(body["config"]))
            self.collections[body["name"]] = Collection(folder, body, shard)
        if self._aliases_file.exists():
            self.aliases = json.loads(self._aliases_file.read_text())

    def get(self, name: str) -> Collection:
        found = self.collections.get(self.aliases.get(name, name))
        if found is None:
            raise NoCollection(name)
        return found

    def create(self, name: str, body: Json) -> None:
        if name in self.collections or name in self.aliases:
            raise CollectionExists(name)
        config = models.config(body)
        folder = self._folder / name.encode().hex()
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir()
        (folder / "shard").mkdir()
        shard = edge.EdgeShard.create(str(folder / "shard"), config)
        settings = {"name": name, "config": body, "indexes": {}}
        self.collections[name] = Collection(folder, settings, shard)
        self._save(self.collections[name])

    def delete(self, name: str) -> bool:
        found = self.collections.pop(self.aliases.get(name, name), None)
        if found is None:
            return False
        found.shard.close()
        (found.folder / "settings.json").unlink()
        shutil.rmtree(found.folder)
        self.aliases = {a: c for a, c in self.aliases.items() if c in self.collections}
        self._save_aliases()
        return True

    def change_aliases(self, actions: list[Json]) -> None:
        """All of the actions or, when one can't be done, none."""
        changed = dict(self.aliases)
        for action in actions:
            if "create_alias" in action:
                wanted = action["create_alias"]
                self.get(wanted["collection_name"])
                changed[wanted["alias_name"]] = wanted["collection_name"]
            elif "delete_alias" in action:
                changed.pop(action["delete_alias"]["alias_name"], None)
            elif "rename_alias" in action:
                names = action["rename_alias"]
                changed[names["new_alias_name"]] = changed.pop(names["old_alias_name"])
            else:
                raise models.BadRequest(f"unknown alias action: {', '.join(action)}")
        self.aliases = changed
        self._save_aliases()

    def index(self, name: str, field: str, body: Any) -> None:
        collection = self.get(name)
        collection.shard.update(edge.UpdateOperation.create_field_index(field, models.schema(body)))
        collection.settings["indexes"][field] = body
        collection.dirty = True
        self._save(collection)

    def drop_index(self, name: str, field: str) -> None:
        collection = self.get(name)
        collection.shard.update(edge.UpdateOperation.delete_field_index(field))
        collection.settings["indexes"].pop(field, None)
        self._save(collection)

    def update(self, name: str, *operations: edge.UpdateOperation) -> None:
        collection = self.get(name)
        for operation in operations:
            collection.shard.update(operation)
        collection.dirty = True

    def flush(self) -> None:
        """Write what the write-ahead log holds into segments, where there is anything."""
        for collection in self.collections.values():
            if collection.dirty:
                collection.dirty = False
                collection.shard.flush()

    def close(self) -> None:
        for collection in self.collections.values():
            collection.shard.flush()
            collection.shard.close()

    def _save(self, collection: Collection) -> None:
        _write(collection.folder / "settings.json", collection.settings)

    def _save_aliases(self) -> None:
        _write(self._aliases_file, self.aliases)


def _write(path: Path, content: Json | dict[str, str]) -> None:
    """Replace a file in one step, and not before its content is on disk."""
    part = path.with_suffix(".part")
    with part.open("w") as file:
        json.dump(content, file)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
