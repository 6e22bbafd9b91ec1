"""Archive, sweeps, verdicts and the running of notebooks: what any book of reproducible figures needs."""
