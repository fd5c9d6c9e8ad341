"""Crawling: which pages, in which order, how politely, and what became of each."""
