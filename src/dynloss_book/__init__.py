"""What makes the book: an engine without physics, and one room for every notebook, of the notebook's name."""
