"""The types of what a notebook's outputs hold besides text and pictures, for the page that is made of it."""

FINDINGS = "application/vnd.dynloss.findings+json"  # answer and verdicts
PROVENANCE = "application/vnd.dynloss.provenance+json"  # where a result comes from
EXPLORE = "application/vnd.dynloss.explore+json"  # curves that a reader can look into
