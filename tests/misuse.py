"""What is refused, and in what words: one test for any table of wrong arguments."""

import pytest


def refused(call, usual, *cases):
    """A test that a call refuses each of these cases, in one line.

    Args:
        usual: arguments that are right.
        cases: what differs from them, and a pattern of what is said.
    """

    @pytest.mark.parametrize(("changed", "said"), cases)
    def test(changed, said):
        with pytest.raises(ValueError, match=said) as caught:
            call(**usual | changed)
        assert "\n" not in str(caught.value)

    return test
