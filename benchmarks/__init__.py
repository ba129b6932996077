"""Figures for the documents, each by a command; tests do small versions of some."""
