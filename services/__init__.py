"""The five services. They never import each other; they talk over NATS."""
