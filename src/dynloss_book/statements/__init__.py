"""Statements of the text that no figure shows."""
