"""How Chattery is run: here on one machine, and on Kubernetes."""
