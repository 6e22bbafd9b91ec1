"""The checker of types in the tests: beartype, with an int wherever a float will do, as for mypy."""

from beartype import BeartypeConf, beartype

checked = beartype(conf=BeartypeConf(is_pep484_tower=True))
