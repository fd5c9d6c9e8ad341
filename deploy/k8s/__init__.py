"""The manifests, and what is made from the code's own tables for them."""
