"""What several figures read off a trajectory: cascades, onsets, whole paths, doubled periods."""
