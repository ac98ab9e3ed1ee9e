"""The parts of the page as data: text and cells, nothing computed."""
