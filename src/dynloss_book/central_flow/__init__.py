"""The central flow between cascades."""
