"""What several services share. Nothing here imports a service."""
