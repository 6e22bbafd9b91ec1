"""The runner: notebooks through papermill, the gate, and the book."""
