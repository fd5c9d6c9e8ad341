"""Grafana dashboards, written from tables so that all look alike."""
