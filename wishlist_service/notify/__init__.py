"""Telling people what is new."""
